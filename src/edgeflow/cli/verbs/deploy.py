"""``deploy``: a flow onto Kubernetes."""

import os
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edgeflow.cli.failures import user_code
from edgeflow.cli.terminal import JsonOption, narrate, new_group, write, write_json

if TYPE_CHECKING:
    from edgeflow.deploy.building import Recipe
    from edgeflow.deploy.cluster import Cluster
    from edgeflow.deploy.workloads import Stack

_APPLY = "apply"


class _ApplyUnlessTold(TyperGroup):
    """``deploy FILE`` is ``deploy apply FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [_APPLY, *args]
        return super().parse_args(ctx, args)


group = new_group()
verbs = typer.Typer(rich_markup_mode=None, cls=_ApplyUnlessTold)
group.add_typer(verbs, name="deploy")

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The main.py or pipelines.yaml that is deployed.")
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NAME", help="Namespace; one per flow.")
]
ContextOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context of kubectl; the current one.")
]
RegistryOption = Annotated[
    str | None,
    typer.Option(metavar="PLACE", help="Where the image goes, as in docker.io/your-name."),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="As in linux/amd64,linux/arm64; this machine's."),
]
ImageOption = Annotated[
    str | None, typer.Option(metavar="REFERENCE", help="An image that exists; none is built.")
]
BaseOption = Annotated[
    str | None, typer.Option(metavar="IMAGE", help="Image of Python to build upon.")
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--edgeflow", metavar="SOURCE",
        help="Sources, wheel or requirement of EdgeFlow; those of this installation.",
    ),
]  # fmt: skip
NAMESPACE = "edgeflow"


@verbs.callback(epilog="Example: edgeflow deploy main.py --registry docker.io/your-name")
def deploy() -> None:
    """Run a flow on Kubernetes.

    `edgeflow deploy FILE` builds the image, pushes it and applies the manifests; the other verbs
    look at what runs, or end it. docker (or podman) and kubectl are found on the PATH.
    """


@dataclass(frozen=True)
class _Wish:
    """What the options say of the image."""

    registry: str | None
    platform: str | None = None
    image: str | None = None
    base: str | None = None
    source: str | None = None


@verbs.command(_APPLY, epilog="Example: edgeflow deploy main.py --registry docker.io/your-name")
def apply_file(
    file: FileArgument,
    *,
    registry: RegistryOption = None,
    namespace: NamespaceOption = NAMESPACE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the manifests only.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write manifests and image files there.")
    ] = None,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="The image is in the registry already.")
    ] = False,
    platform: PlatformOption = None,
    image: ImageOption = None,
    base: BaseOption = None,
    source: SourceOption = None,
    context: ContextOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take over fields that others have set.")
    ] = False,
) -> None:
    """Build the image, push it, and apply the manifests.

    Secrets are made up once and kept; values of your own are taken from environment variables of
    their names. What the flow no longer has is removed.
    """
    from edgeflow.deploy.building import build_and_push
    from edgeflow.deploy.cluster import Cluster
    from edgeflow.deploy.kubernetes.manifests import manifests, to_yaml
    from edgeflow.deploy.kubernetes.naming import Target
    from edgeflow.errors import ConfigError

    stack = _planned(file)
    wish = _Wish(registry, platform, image, base, source)
    taken = [key for key in stack.wanted_secrets if key in os.environ]
    if taken:
        narrate(f"taken from this environment: {', '.join(taken)}")
    if dry_run:
        target = Target(namespace, _expected(stack, wish))
        write(to_yaml(manifests(stack, target)).rstrip("\n"))
        return
    if out is not None:
        _write_folder(out, stack, wish, namespace)
        return
    if image is not None or no_build:
        reference = _expected(stack, wish)
        cluster = Cluster(stack, Target(namespace, reference), context)
    elif registry is None:
        raise ConfigError("where is the image to go?", hint="--registry docker.io/your-name")
    else:
        Cluster(stack, Target(namespace, ""), context)  # fail before a build, not after it
        reference = build_and_push(_recipe(stack, wish), registry)
        narrate(f"pushed {reference}")
        cluster = Cluster(stack, Target(namespace, reference), context)
    objects = manifests(stack, Target(namespace, reference))
    removed = cluster.apply(objects, os.environ, force=force)
    narrate(f"applied {len(objects)} objects in {namespace}: {_names(stack)}")
    for name in removed:
        narrate(f"removed {name}")
    narrate(f"  Watch   edgeflow deploy status {file} --namespace {namespace}")


@verbs.command(epilog="Example: edgeflow deploy diff main.py --registry docker.io/your-name")
def diff(
    file: FileArgument,
    *,
    registry: RegistryOption = None,
    namespace: NamespaceOption = NAMESPACE,
    image: ImageOption = None,
    base: BaseOption = None,
    source: SourceOption = None,
    context: ContextOption = None,
) -> int:
    """Show what applying would change; ends with 1 if something would."""
    from edgeflow.deploy.cluster import Cluster
    from edgeflow.deploy.kubernetes.manifests import manifests
    from edgeflow.deploy.kubernetes.naming import Target

    stack = _planned(file)
    wish = _Wish(registry, image=image, base=base, source=source)
    target = Target(namespace, _expected(stack, wish))
    done = Cluster(stack, target, context).diff(manifests(stack, target))
    if done.out:
        write(done.out.rstrip("\n"))
    return done.code


@verbs.command(epilog="Example: edgeflow deploy status main.py")
def status(
    file: FileArgument,
    *,
    namespace: NamespaceOption = NAMESPACE,
    context: ContextOption = None,
    json: JsonOption = False,
) -> int:
    """Show the pods of a flow, and where its pages are; ends with 1 unless all are ready."""
    from edgeflow.cli.display.outline import align
    from edgeflow.deploy.kubernetes.naming import SECRET
    from edgeflow.deploy.reporting import addresses_of, rows_of

    cluster = _cluster(_planned(file), namespace, context)
    rows = rows_of(cluster.pods())
    addresses = addresses_of(cluster.services(), cluster.hosts())
    if json:
        write_json({"pods": [row._asdict() for row in rows], "addresses": addresses})
    else:
        lines = [("NODE", "POD", "READY", "RESTARTS", "HOST", "STATE")]
        lines += [
            (row.node, row.pod, _yes(row.ready), str(row.restarts), row.host or "-", row.state)
            for row in rows
        ]
        for line in align(lines):
            write(line)
        for address in addresses:
            write(f"Open {address}; it asks for the token, which this prints:")
            write(
                f"  kubectl get secret {SECRET} -n {namespace} "
                "-o go-template='{{.data.EDGEFLOW_TOKEN | base64decode}}'"
            )
    return 0 if rows and all(row.ready for row in rows) else 1


@verbs.command(epilog="Example: edgeflow deploy logs main.py gpu_processor --follow")
def logs(
    file: FileArgument,
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="Of which node; all of them.")
    ] = None,
    *,
    namespace: NamespaceOption = NAMESPACE,
    context: ContextOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    tail: Annotated[int, typer.Option(metavar="N", min=0, help="Lines of each pod.")] = 100,
) -> None:
    """Print what the nodes of a flow have logged."""
    import subprocess

    from edgeflow.errors import ConfigError, DeployError, did_you_mean

    stack = _planned(file)
    name = None
    if node is not None:
        found = stack.workload(node)
        if found is None:
            known = [workload.title for workload in stack.all]
            raise ConfigError(f"there is no node {node!r}", hint=did_you_mean(node, known))
        name = found.name
    words = _cluster(stack, namespace, context).log_command(name, follow=follow, tail=tail)
    if subprocess.run(words, check=False).returncode != 0:
        raise DeployError("kubectl logs failed", hint="see above")


@verbs.command(epilog="Example: edgeflow deploy destroy main.py --yes")
def destroy(
    file: FileArgument,
    *,
    namespace: NamespaceOption = NAMESPACE,
    context: ContextOption = None,
    data: Annotated[
        bool, typer.Option("--data", help="Also what its servers and sinks have stored.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """End a flow and remove what was applied; the namespace stays."""
    stack = _planned(file)
    cluster = _cluster(stack, namespace, context)
    also = " with all it has stored" if data else ""
    if not yes:
        typer.confirm(f"Remove {stack.title!r} from {namespace!r}{also}?", abort=True, err=True)
    for line in cluster.destroy(data=data):
        narrate(line)


# --- parts -------------------------------------------------------------------------------------


def _planned(file: Path) -> "Stack":
    """Return the stack of a file; what its code prints goes to stderr."""
    import sys

    from edgeflow.deploy.planning import plan_file

    with redirect_stdout(sys.stderr), user_code():
        stack = plan_file(file)
    for warning in stack.warnings:
        narrate(f"warning: {warning}")
    return stack


def _cluster(stack: "Stack", namespace: str, context: str | None) -> "Cluster":
    from edgeflow.deploy.cluster import Cluster
    from edgeflow.deploy.kubernetes.naming import Target, check_namespace

    check_namespace(namespace)
    return Cluster(stack, Target(namespace, ""), context)


def _recipe(stack: "Stack", wish: _Wish) -> "Recipe":
    from edgeflow.deploy.building import Recipe, usual_platform
    from edgeflow.deploy.contexts import framework
    from edgeflow.deploy.dockerfile import BASE

    return Recipe(
        image=stack.image,
        source=framework(wish.source),
        base=wish.base or BASE,
        platform=wish.platform or usual_platform(),
    )


def _expected(stack: "Stack", wish: _Wish) -> str:
    """Return the reference that the image has, or would get."""
    from edgeflow.deploy.building import reference_of, tag_of

    if wish.image is not None:
        return wish.image
    return reference_of(stack.image, wish.registry, tag_of(_recipe(stack, wish)))


def _write_folder(out: Path, stack: "Stack", wish: _Wish, namespace: str) -> None:
    from edgeflow.deploy.building import reference_of
    from edgeflow.deploy.folders import write_image, write_manifests
    from edgeflow.deploy.kubernetes.manifests import manifests
    from edgeflow.deploy.kubernetes.naming import Target

    reference = wish.image
    if reference is None:
        tag = write_image(out, _recipe(stack, wish))
        reference = reference_of(stack.image, wish.registry, tag)
    target = Target(namespace, reference)
    written = write_manifests(out, stack, target, manifests(stack, target), os.environ)
    for path in written:
        narrate(f"wrote {path}")
    for key in stack.wanted_secrets:
        if key not in os.environ:
            narrate(f"  Fill in {key} in the Secret: there is no variable of that name here")
    if wish.image is None:
        narrate(f"  Build   docker buildx build --push --tag {reference} {out / 'image'}")
    narrate(f"  Apply   kubectl apply --server-side -f {out}")


def _names(stack: "Stack") -> str:
    return ", ".join(workload.name for workload in stack.all)


def _yes(value: Any) -> str:
    return "yes" if value else "no"
