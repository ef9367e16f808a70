"""The clauses about an adapter: names, documents, and what it builds."""

from __future__ import annotations

from harness.adapters.testing.subject import Subject, expect, raises


def models(s: Subject) -> None:
    """`models()` has the model, and `build()` refuses a name that it does not have."""
    expect(s.model in s.adapter.models(), "models()", s.adapter.models(), f"{s.model!r} among them")
    raises(KeyError, "build('no_such_model')", lambda: s.adapter.build("no_such_model"))


def aliases(s: Subject) -> None:
    """The first of `aliases()` is no other model's name and leads to a network. Optional."""
    s.need("aliases")
    offered = set(s.adapter.models())
    for alias, own in list(s.adapter.aliases().items())[:1]:
        expect(alias not in offered or alias == own, "aliases()", alias, "names that are not among models()")
        expect(s.adapter.build(own).input_size, f"build({own!r}).input_size", None, "a size in pixels")
        s.adapter.checkpoint_url(own)


def checkpoint_url(s: Subject) -> None:
    """`checkpoint_url()` is an address from which weights can be downloaded, or `None` where none are published."""
    called, url = f"checkpoint_url({s.model!r})", s.adapter.checkpoint_url(s.model)
    is_address = isinstance(url, str) and url.startswith(("https://", "http://")) and not any(map(str.isspace, url))
    expect(url is None or is_address, called, repr(url), "an address that begins with https:// or http://, or None")
    again = s.adapter.checkpoint_url(s.model)
    expect(again == url, f"{called}, twice", again, f"the same, {url}")


def documents(s: Subject) -> None:
    """Every table of `documents()` has rows, with their lines and as many cells of text as headings. Optional."""
    s.need("documents")
    for document in s.adapter.documents():
        expect(document.rows, f"documents(): {document.file}", "no rows", "rows")
        for line, cells in document.rows:
            where = f"documents(): {document.file}, line {line}"
            expect(line > 0, where, line, "a line of 1 or more")
            expect(len(cells) == len(document.heading), where, cells, f"{len(document.heading)} cells")
            expect(all(isinstance(cell, str) for cell in cells), where, cells, "text in every cell")


def outline(s: Subject) -> None:
    """`outline()` has the counts of the network that `build()` gives. Optional."""
    s.need("outline")
    outlined, size = s.adapter.outline(s.model), s.network.input_size
    counted, counts = outlined.multiply_adds(size), s.build().multiply_adds(size)
    expect(counted.items() <= counts.items(), "outline().multiply_adds()", counted, f"a part of {counts}")
    expect(outlined.plain_counter in counted, "outline().multiply_adds()", list(counted), "the plain counter in it")
    expect(outlined.parameters() == s.network.parameters(), "outline().parameters()", outlined.parameters(), "the same")
    expect(outlined.input_size == size, "outline().input_size", outlined.input_size, str(size))


def input_size(s: Subject) -> None:
    """`build(input_size=)` prepares network and images for that size, and for the model's own without it."""
    own = s.network.input_size
    expect(isinstance(own, int) and own > 0, "build().input_size", repr(own), "a number of pixels, of type int")
    for size in (own, 2 * own):
        called = f"build(input_size={size})"
        network = s.build(seed=1, input_size=size)
        expect(network.input_size == size, f"{called}.input_size", network.input_size, str(size))
        described = network.preprocessing
        expect(described.crop == size, f"{called}.preprocessing.crop", described.crop, str(size))
        steps = network.preprocessing_steps(s.photo("red.png"))
        short, shape = min(steps["resize"].shape[:2]), steps["normalise"].shape
        wanted = f"{described.short_side}, as described"
        expect(short == described.short_side, f"{called}, step resize, short side", short, wanted)
        expect(shape == (3, size, size), f"{called}, step normalise", shape, f"shape (3, {size}, {size})")
