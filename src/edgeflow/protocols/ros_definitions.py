"""The messages of ROS 2 that are known by name, as its ``.msg`` files declare them.

Source: ros2/common_interfaces, ros2/rcl_interfaces and ros-perception/vision_msgs; the names and
types of the fields only.
"""

__all__ = ["DEFINITIONS"]

_COVARIANCE = "float64[36] covariance"

DEFINITIONS = {
    "builtin_interfaces/msg/Time": "int32 sec\nuint32 nanosec",
    "builtin_interfaces/msg/Duration": "int32 sec\nuint32 nanosec",
    "std_msgs/msg/Bool": "bool data",
    "std_msgs/msg/ColorRGBA": "float32 r\nfloat32 g\nfloat32 b\nfloat32 a",
    "std_msgs/msg/Empty": "",
    "std_msgs/msg/Float32": "float32 data",
    "std_msgs/msg/Float64": "float64 data",
    "std_msgs/msg/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/msg/Int8": "int8 data",
    "std_msgs/msg/Int16": "int16 data",
    "std_msgs/msg/Int32": "int32 data",
    "std_msgs/msg/Int64": "int64 data",
    "std_msgs/msg/String": "string data",
    "std_msgs/msg/UInt8": "uint8 data",
    "std_msgs/msg/UInt16": "uint16 data",
    "std_msgs/msg/UInt32": "uint32 data",
    "std_msgs/msg/UInt64": "uint64 data",
    "std_msgs/msg/MultiArrayDimension": "string label\nuint32 size\nuint32 stride",
    "std_msgs/msg/MultiArrayLayout": "MultiArrayDimension[] dim\nuint32 data_offset",
    "std_msgs/msg/Float32MultiArray": "MultiArrayLayout layout\nfloat32[] data",
    "std_msgs/msg/Float64MultiArray": "MultiArrayLayout layout\nfloat64[] data",
    "std_msgs/msg/Int32MultiArray": "MultiArrayLayout layout\nint32[] data",
    "std_msgs/msg/UInt8MultiArray": "MultiArrayLayout layout\nuint8[] data",
    "geometry_msgs/msg/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/msg/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/msg/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
    "geometry_msgs/msg/Pose": "Point position\nQuaternion orientation",
    "geometry_msgs/msg/PoseStamped": "std_msgs/Header header\nPose pose",
    "geometry_msgs/msg/PoseWithCovariance": "Pose pose\n" + _COVARIANCE,
    "geometry_msgs/msg/Twist": "Vector3 linear\nVector3 angular",
    "geometry_msgs/msg/TwistStamped": "std_msgs/Header header\nTwist twist",
    "geometry_msgs/msg/TwistWithCovariance": "Twist twist\n" + _COVARIANCE,
    "nav_msgs/msg/Odometry": (
        "std_msgs/Header header\nstring child_frame_id\n"
        "geometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist"
    ),
    "sensor_msgs/msg/BatteryState": (
        "std_msgs/Header header\nfloat32 voltage\nfloat32 temperature\nfloat32 current\n"
        "float32 charge\nfloat32 capacity\nfloat32 design_capacity\nfloat32 percentage\n"
        "uint8 power_supply_status\nuint8 power_supply_health\nuint8 power_supply_technology\n"
        "bool present\nfloat32[] cell_voltage\nfloat32[] cell_temperature\n"
        "string location\nstring serial_number"
    ),
    "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data",
    "sensor_msgs/msg/FluidPressure": (
        "std_msgs/Header header\nfloat64 fluid_pressure\nfloat64 variance"
    ),
    "sensor_msgs/msg/Illuminance": "std_msgs/Header header\nfloat64 illuminance\nfloat64 variance",
    "sensor_msgs/msg/Image": (
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\n"
        "uint8 is_bigendian\nuint32 step\nuint8[] data"
    ),
    "sensor_msgs/msg/Imu": (
        "std_msgs/Header header\n"
        "geometry_msgs/Quaternion orientation\nfloat64[9] orientation_covariance\n"
        "geometry_msgs/Vector3 angular_velocity\nfloat64[9] angular_velocity_covariance\n"
        "geometry_msgs/Vector3 linear_acceleration\nfloat64[9] linear_acceleration_covariance"
    ),
    "sensor_msgs/msg/JointState": (
        "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\n"
        "float64[] effort"
    ),
    "sensor_msgs/msg/LaserScan": (
        "std_msgs/Header header\nfloat32 angle_min\nfloat32 angle_max\nfloat32 angle_increment\n"
        "float32 time_increment\nfloat32 scan_time\nfloat32 range_min\nfloat32 range_max\n"
        "float32[] ranges\nfloat32[] intensities"
    ),
    "sensor_msgs/msg/MagneticField": (
        "std_msgs/Header header\ngeometry_msgs/Vector3 magnetic_field\n"
        "float64[9] magnetic_field_covariance"
    ),
    "sensor_msgs/msg/NavSatStatus": "int8 status\nuint16 service",
    "sensor_msgs/msg/NavSatFix": (
        "std_msgs/Header header\nNavSatStatus status\nfloat64 latitude\nfloat64 longitude\n"
        "float64 altitude\nfloat64[9] position_covariance\nuint8 position_covariance_type"
    ),
    "sensor_msgs/msg/Range": (
        "std_msgs/Header header\nuint8 radiation_type\nfloat32 field_of_view\nfloat32 min_range\n"
        "float32 max_range\nfloat32 range\nfloat32 variance"
    ),
    "sensor_msgs/msg/RelativeHumidity": (
        "std_msgs/Header header\nfloat64 relative_humidity\nfloat64 variance"
    ),
    "sensor_msgs/msg/Temperature": "std_msgs/Header header\nfloat64 temperature\nfloat64 variance",
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": "Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"
    ),
    "vision_msgs/msg/Detection2D": (
        "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\nstring id"
    ),
    "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\nDetection2D[] detections",
}
"""Fields of a message by its full name."""
