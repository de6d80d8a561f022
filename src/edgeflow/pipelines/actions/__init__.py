"""Commands to the outside, each with a result. ``BUILT_IN`` says which module has which type."""

BUILT_IN = {
    "command": "edgeflow.pipelines.actions.command:CommandDispatcher",
    "file": "edgeflow.pipelines.actions.file:FileDispatcher",
    "gpio": "edgeflow.pipelines.actions.gpio:GpioDispatcher",
    "log": "edgeflow.pipelines.actions.log:LogDispatcher",
    "mqtt": "edgeflow.pipelines.actions.mqtt:MqttDispatcher",
    "ros2": "edgeflow.pipelines.actions.ros2:Ros2Dispatcher",
    "store": "edgeflow.pipelines.actions.store:StoreDispatcher",
    "webhook": "edgeflow.pipelines.actions.webhook:WebhookDispatcher",
}
