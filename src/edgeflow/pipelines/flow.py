"""A declaration that runs: its session, its graph, its runtime."""

from edgeflow.core.checks import check
from edgeflow.pipelines.compile import compile_flow
from edgeflow.pipelines.session import Session
from edgeflow.pipelines.watch import Watch
from edgeflow.runtime.launch import threads

__all__ = ["RunningFlow"]


class RunningFlow:
    """One generation of an orchestrator, from ``start`` to ``stop``.

    Args:
        session: of the declaration to run.

    Attributes:
        pipelines: ids of pipelines by the names of their nodes.
        runtime: runs the graph.
        watch: throttles and counts.

    Raises:
        GraphError: the graph of the declaration cannot run.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        compiled = compile_flow(session.declaration, session)
        check(compiled.graph)
        self.graph = compiled.graph
        self.pipelines = compiled.pipelines
        self.runtime = threads(compiled.graph, None)
        self.watch = Watch(session, self.runtime.view, compiled.pipelines)

    def start(self) -> None:
        """Start the event loop and every node."""
        self.session.start()
        self.runtime.start()
        self.watch.start()

    def stop(self) -> bool:
        """Finish what is under way, within 3 s; return whether everything ended."""
        self.session.closing.set()
        ended = self.runtime.stop()
        self.watch.close()
        self.session.close()
        return ended
