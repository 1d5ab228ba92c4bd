"""The lab's own RPMs: to be merged with the branch that makes them."""

from lab.images import Progress


def repository_tag(kind: str) -> str:
    """The image's name."""
    return f"localhost/elx-repo:{kind}"


def repository(kind: str, progress: Progress) -> str:
    """An image whose /repository holds the RPMs."""
    progress(f"{kind}: packages")
    return repository_tag(kind)
