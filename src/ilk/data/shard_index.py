"""What a tar shard holds: where its images lie, and what is written beside them."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from ilk.data.account import LeftOut, Tally
from ilk.data.archive import LOST_LINK, OLDER
from ilk.data.leavings import HIDDEN, SYSTEM, not_an_image, same, target_of, tidy

FIELDS = ("label", "cls", "class", "target")  # of a .json member, the first that is there
_KINDS = {".cls": b"c", ".json": b"j", ".txt": b"t"}  # letters in order of preference
ENDINGS = tuple(_KINDS)
CAPTION = _KINDS[".txt"]
_LONGEST = {b"c": 256, b"j": 65_536, b"t": 64}  # bytes; what is longer holds no label
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ANOTHER = "other images of a sample that has one already"
_SPECIAL = "sparse members, devices and the like"
_BLOCK = tarfile.BLOCKSIZE
_UNSEEN = (-1, -1)  # the place of a link that is not followed yet
_LAST = b"\xff"  # comes after every label


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies.

    Args:
        path: its name.
        offset: of its first byte in the shard.
        size: in bytes.
    """

    path: bytes
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Index:
    """What a shard holds.

    Args:
        images: in the order of the shard.
        labels: of each image: a letter for the kind of file, then its text; empty for none.
        left_out: all else.
    """

    images: list[Place]
    labels: list[bytes]
    left_out: tuple[LeftOut, ...]


@dataclass(slots=True)
class _Members:
    """Members by the name that is meant, in their order.

    Args:
        images: offset and size.
        labels: the letter and the text.
        links: what each link stands for.
        tally: of all else.
    """

    images: dict[str, tuple[int, int]] = field(default_factory=dict)
    labels: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def forget(self, name: str) -> bool:
        """Drop the member of a name, and say whether there was one."""
        linked = self.links.pop(name, None) is not None
        image = self.images.pop(name, None) is not None
        return linked | image | (self.labels.pop(name, None) is not None)


def indexed(shard: tarfile.TarFile) -> Index:
    """Read the headers of a shard, and the files that hold labels.

    Args:
        shard: opened without compression.

    Raises:
        tarfile.TarError: it is damaged, or cut short. Its parser may raise anything else.
    """
    members = _Members()
    for member in _files(shard):
        _sort(shard, member, members)
    _follow(members)
    images, labels = _chosen(members)
    return Index(images, labels, members.tally.result())


def _files(shard: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """All but folders, one by one; the shard forgets them, or it would hold all in memory."""
    before = -1
    while (member := shard.next()) is not None:
        shard.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
        if member.size < 0 or shard.offset <= before:
            raise tarfile.ReadError(f"a size below 0 at byte {member.offset}")
        before = shard.offset
        if not member.isdir():
            member.name = tidy(member.name)
            yield member
    _check_end(shard)


def _check_end(shard: tarfile.TarFile) -> None:
    """Refuse a shard that goes on where its parser stopped."""
    file = cast("Any", shard.fileobj)
    file.seek(shard.offset)
    if any(file.read(_BLOCK)):
        raise tarfile.ReadError(f"a damaged header at byte {shard.offset}")
    while (block := file.read(_BLOCK)) and not any(block):
        pass
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:  # the end of the file, or filling
        return
    raise tarfile.ReadError(
        f"a second archive at byte {file.tell() - _BLOCK}, behind the end of the first; join "
        "archives with tar --concatenate"
    )


def _sort(shard: tarfile.TarFile, member: tarfile.TarInfo, members: _Members) -> None:
    """Put a member where it belongs; of a name that came before, the older one goes."""
    name = member.name
    reason = not_an_image(name)
    kind = _KINDS.get(name[name.rfind(".") :].lower())
    if reason and (kind is None or reason in (HIDDEN, SYSTEM)):
        members.tally.add(reason, name)
        return
    if members.forget(name):
        members.tally.add(OLDER, name)
    if member.islnk() or member.issym():
        inside = tidy(member.linkname) if member.islnk() else target_of(name, member.linkname)
        members.links[name] = inside or ""
        if kind is None:
            members.images[name] = _UNSEEN
    elif not member.isfile() or member.issparse():
        members.tally.add(_SPECIAL, name)
    elif kind is None:
        members.images[name] = (member.offset_data, member.size)
    else:
        small = member.size <= _LONGEST[kind]
        members.labels[name] = _label(shard, member, kind) if small else b""


def _follow(members: _Members) -> None:
    """Read links as the members of the shard that they stand for."""
    for name in members.links:
        target = name
        for _ in range(8):  # links to links; more are a circle
            target = members.links.get(target, target)
        place = members.images.get(target, _UNSEEN)
        if name in members.images and place != _UNSEEN:
            members.images[name] = place
        elif name not in members.images and target in members.labels:
            members.labels[name] = members.labels[target]
        else:
            members.images.pop(name, None)
            members.tally.add(LOST_LINK, name)


def _chosen(members: _Members) -> tuple[list[Place], list[bytes]]:
    """The images that stand for samples, and their labels."""
    labels: dict[str, bytes] = {}
    for name, label in members.labels.items():
        stem = same(_own_stem(name))
        labels[stem] = min(label or _LAST, labels.get(stem, _LAST))
    plain: dict[str, str] = {}
    for name in members.images:
        if _own_stem(name) == _stem(name):
            plain.setdefault(_stem(name), name)
    images: list[Place] = []
    texts: list[bytes] = []
    for name, place in members.images.items():
        own, stem = same(_own_stem(name)), same(_stem(name))
        # An image that has a label file of its own is a sample of its own.
        if plain.get(_stem(name), name) != name and (own == stem or own not in labels):
            members.tally.add(_ANOTHER, name)
            continue
        images.append(Place(name.encode(errors="surrogateescape"), *place))
        label = labels.get(own, labels.get(stem, _LAST))
        texts.append(b"" if label == _LAST else label)
    return images, texts


def _stem(path: str) -> str:
    """The name of a sample: up to the first dot of the file name."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _own_stem(path: str) -> str:
    """The name of a file without its ending."""
    return path[: path.rfind(".")]


def _label(shard: tarfile.TarFile, member: tarfile.TarInfo, kind: bytes) -> bytes:
    """A letter for the kind of member and the text; empty if it is no label."""
    file = shard.extractfile(member)
    data = file.read() if file else b""
    if data.startswith(_UTF16):
        data = data.decode("utf-16", errors="replace").encode()
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if kind == _KINDS[".json"]:
        text = _field(text)
    return kind + text if text else b""


def _field(text: bytes) -> bytes:
    try:
        record: Any = json.loads(text)
    except (ValueError, RecursionError):
        return b""
    if not isinstance(record, dict):
        return b""
    entries = cast("dict[str, object]", record)
    for name in FIELDS:
        value = entries.get(name)
        if isinstance(value, bool):
            return str(value).lower().encode()
        if isinstance(value, int | float | str):
            return str(value).encode(errors="replace")
    return b""
