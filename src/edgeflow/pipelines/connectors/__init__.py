"""From the outside world to messages. ``BUILT_IN`` says which module has which type."""

BUILT_IN = {
    "ble": "edgeflow.pipelines.connectors.ble:BleConnector",
    "camera": "edgeflow.pipelines.connectors.camera:CameraConnector",
    "climate": "edgeflow.pipelines.connectors.climate:ClimateConnector",
    "csi": "edgeflow.pipelines.connectors.csi:CsiConnector",
    "flow": "edgeflow.pipelines.connectors.flow:FlowConnector",
    "http": "edgeflow.pipelines.connectors.http:HttpConnector",
    "inference": "edgeflow.pipelines.connectors.upstream:UpstreamConnector",
    "modbus": "edgeflow.pipelines.connectors.modbus:ModbusConnector",
    "mqtt": "edgeflow.pipelines.connectors.mqtt:MqttConnector",
    "ros2": "edgeflow.pipelines.connectors.ros2:Ros2Connector",
    "serial": "edgeflow.pipelines.connectors.serial:SerialConnector",
}
