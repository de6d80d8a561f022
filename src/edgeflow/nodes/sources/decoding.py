"""Opening video with FFmpeg: on the GPU where there is one, else on the CPU."""

from collections.abc import Iterator
from typing import Any, Literal

from edgeflow.errors import MissingExtraError

__all__ = ["HardwareDecoding", "cuda_trouble", "decoded", "open_video"]

HardwareDecoding = Literal["auto", "cuda", "none"]
"""``auto`` decodes on a CUDA GPU if there is one; ``cuda`` warns if there is none."""


def open_video(source: str, decoding: HardwareDecoding, log: Any, **options: Any) -> Any:
    """Open a file or stream for reading; its pictures come to main memory in either case.

    Args:
        source: path or URL.
        decoding: where to decode.
        log: hears ``hardware_decoding_missing`` when ``cuda`` was asked for and cannot be.
        options: for ``av.open``.

    Raises:
        MissingExtraError: PyAV is not installed.
        av.FFmpegError: it cannot be opened.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise MissingExtraError("av", "video") from None
    if decoding == "none":
        return av.open(source, **options)
    reason = cuda_trouble()
    if reason is None:
        from av.codec.hwaccel import HWAccel

        options["hwaccel"] = HWAccel("cuda", allow_software_fallback=True)
    container = av.open(source, **options)
    video = container.streams.video
    if reason is None and video and not video[0].codec_context.is_hwaccel:
        reason = f"CUDA does not decode {video[0].codec_context.name}"
    if reason is not None and decoding == "cuda":
        log.warning("hardware_decoding_missing", wanted="cuda", used="cpu", error=reason)
    return container


def decoded(container: Any, stream: Any, log: Any) -> Iterator[Any]:
    """Yield the frames of a stream.

    A GPU that fails before its first frame is not asked again in this process; whoever opens the
    source anew gets the CPU.
    """
    import av

    begun = False
    try:
        for frame in container.decode(stream):
            begun = True
            yield frame
    except av.FFmpegError as error:
        if stream.codec_context.is_hwaccel and not begun:
            _trouble["cuda"] = f"the GPU gave no picture ({error})"
            log.warning("hardware_decoding_failed", error=str(error))
        raise


_trouble: dict[str, str | None] = {}


def cuda_trouble() -> str | None:
    """Return why this machine decodes nothing with CUDA; None when it does.

    It is tried, with a decoder that every such GPU has; once in a process.
    """
    if "cuda" not in _trouble:
        _trouble["cuda"] = _tried()
    return _trouble["cuda"]


def _tried() -> str | None:
    import av

    try:
        from av.codec.hwaccel import HWAccel

        HWAccel("cuda").create(av.Codec("h264", "r"))
    except (ImportError, NotImplementedError, av.FFmpegError, OSError) as error:
        return f"no CUDA device can be opened ({error})"
    return None
