"""Wording of what is found while a spec is read: NS0 the YAML itself, NS1 the form of the language."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

READING: dict[str, Entry] = {
    "NS001": Entry("error", "YAML syntax", "this is not valid YAML: {problem}"),
    "NS002": Entry(
        "error",
        "key written twice",
        "key '{key}' is written twice in this mapping",
        "keep one of the two; until then the first one counts",
    ),
    "NS003": Entry(
        "error",
        "tag not accepted",
        ("tag '{tag}' does not fit {found}", "tag '{tag}' is not accepted: a spec holds plain data"),
        "remove the tag; a text is written in quotes, and nothing else needs one",
    ),
    "NS004": Entry(
        "error",
        "aliases expand too far",
        "alias '*{alias}' makes the spec expand to more than {limit:,} values",
        "use a block, or 'repeat', for what stands many times",
    ),
    "NS005": Entry(
        "error",
        "tab in the indentation",
        "a tab stands where YAML wants blanks",
        "replace it by blanks, two per level; most editors have a setting that does so",
    ),
    "NS006": Entry(
        "error",
        "not UTF-8",
        ("the file is {encoding}, not UTF-8", "the file is not UTF-8: byte 0x{byte:02x} begins no character"),
        "save it again as UTF-8",
    ),
    "NS007": Entry(
        "error",
        "file too large",
        "the file is larger than the {limit:,} bytes that are read of a spec",
        "if this is a spec, write what repeats as blocks or with 'repeat', and long value lists as a file",
    ),
    "NS008": Entry("error", "file cannot be read", "the file cannot be read: {problem}"),
    "NS009": Entry(
        "error",
        "merge key",
        "merge keys ('<<') are not part of the language",
        "write the keys out, or make a block with 'args' of what is shared",
    ),
    "NS010": Entry(
        "error",
        "several documents",
        "a second YAML document begins here, but a spec is one document",
        "remove the '---', or put the second document into a file of its own",
    ),
    "NS011": Entry(
        "error",
        "empty file",
        ("the file holds {blocks} for other specs to include, but no network", "the file holds no spec"),
        "begin with 'netspec: 1', 'input:' and 'layers:', or copy a spec that ships: netspec zoo copy lenet5",
    ),
    "NS012": Entry(
        "error",
        "nesting too deep",
        "this is nested more than {limit} levels deep",
        "give the inner part a name under 'blocks:' and call it",
    ),
    "NS013": Entry(
        "error",
        "key is not text",
        "a key must be text, but this one is {found}",
        "put it in quotes: '{key}'",
    ),
    "NS014": Entry("error", "number too large", "{problem}", "write a number that fits, such as 1.0e+9"),
    "NS101": Entry(
        "error",
        "unknown key",
        ("{where} has no key '{key}'", "unknown key '{key}'"),
        ("did you mean '{suggestion}'?", "known here: {known}"),
    ),
    "NS102": Entry(
        "error",
        "wrong type",
        ("'{what}' wants {expected}, but got {found}", "{expected} was expected, but got {found}"),
    ),
    "NS103": Entry(
        "error",
        "missing key",
        ("{where} needs '{key}', which is missing", "'{key}' is missing"),
        ("add '{key}: {example}'", "add '{key}:'"),
    ),
    "NS104": Entry(
        "error",
        "unknown op or block",
        "there is no op or block '{name}'",
        ("did you mean '{suggestion}'?", "blocks of this spec: {blocks}", "a block of your own stands under 'blocks:'"),
    ),
    "NS105": Entry(
        "error",
        "several ops in one layer",
        "a layer has exactly one op, but this one has several: {ops}",
        "begin each with a '-' of its own; indent further what was meant as an attribute",
    ),
    "NS106": Entry("error", "bad expression", "cannot read the expression: {problem}"),
    "NS107": Entry(
        "error",
        "unknown name in an expression",
        "the expression uses '{name}', which is not known here",
        (
            "did you mean '{suggestion}'?",
            "'{function}' is a function: write {function}(...)",
            "known here: {known}",
            "define it under 'vars:'",
        ),
    ),
    "NS108": Entry(
        "error",
        "expression of the wrong kind",
        (
            "'{what}' wants {expected}, but {operand} is {found}",
            "'{what}' wants {expected}, but the expression gives {result}",
            "'{what}' wants {expected}, but got {found}",
        ),
        "{advice}",
    ),
    "NS109": Entry(
        "error",
        "value out of range",
        (
            "'{what}' must be one of {choices}, but is {found}",
            "'{what}' must lie between {minimum} and {maximum}, but is {found}",
            "'{what}' must be at least {minimum} and less than {below}, but is {found}",
            "'{what}' must be greater than {above} and at most {maximum}, but is {found}",
            "'{what}' must be greater than {above} and less than {below}, but is {found}",
            "'{what}' must be at least {minimum}, but is {found}",
            "'{what}' must be at most {maximum}, but is {found}",
            "'{what}' must be greater than {above}, but is {found}",
            "'{what}' must be less than {below}, but is {found}",
        ),
        "did you mean '{suggestion}'?",
    ),
    "NS110": Entry(
        "error",
        "expression too large",
        "the expression is too large: {problem}",
        ("{advice}", "split it over several 'vars:'"),
    ),
    "NS111": Entry(
        "error",
        "name used twice",
        ("the name '{name}' stands for {meaning}", "the name '{name}' is already used in this list"),
        (
            "names are unique in their list; '{suggestion}' would be free",
            "names are unique in their list; choose another",
        ),
    ),
    "NS112": Entry(
        "error",
        "unknown target of --set",
        "--set: there is no var or key '{target}'",
        ("did you mean '{suggestion}'?", "vars and keys that can be set: {known}"),
    ),
    "NS113": Entry(
        "error",
        "not implemented yet",
        "'{feature}' belongs to the language, but this version of netspec cannot run it yet",
        ("{instead}", "docs/status.md says what is there; leave it out until then"),
    ),
    "NS114": Entry(
        "error",
        "unknown language version",
        "this spec is written in language version {found}, but this netspec reads version {expected}",
        "write 'netspec: {expected}', or install a netspec that reads version {found}",
    ),
    "NS115": Entry(
        "error",
        "expression with a comma, not in quotes",
        "inside {brackets} a comma ends the value, so this expression is cut in pieces",
        "put it in quotes: {quoted}",
    ),
    "NS116": Entry(
        "error",
        "expression without a value",
        "the expression has no value: {problem}",
    ),
    "NS117": Entry(
        "warning",
        "unused name",
        "the {kind} '{name}' is never used",
        "remove it, or write ${name} where it is meant",
    ),
    "NS118": Entry(
        "error",
        "key at the wrong depth",
        "indented {depth} '{op}': {keys}",
        "attributes of an op stand inside its mapping; name, from and the like stand beside the op",
    ),
    "NS119": Entry(
        "error",
        "name that cannot be used",
        "{what} cannot be called '{name}': {reason}",
        "choose another name",
    ),
    "NS120": Entry(
        "error",
        "block with the name of an op",
        "a block cannot be called '{name}': there is an {kind} of that name",
        "choose another name, such as 'my_{name}'",
    ),
    "NS121": Entry(
        "error",
        "block that uses itself",
        "block '{name}' uses itself: {chain}",
        "a block may use others, never itself; 'repeat' makes chains of any length",
    ),
    "NS122": Entry(
        "error", "file that cannot be used", "cannot read '{path}': {problem}", "paths are relative to this file"
    ),
    "NS123": Entry(
        "error",
        "path outside of the root",
        "'{path}' leads out of {root}",
        "move the file inside, or allow it with --allow-outside",
    ),
    "NS124": Entry(
        "error",
        "files that include one another",
        "this file comes back to itself: {chain}",
        "move the blocks that both need into a third file",
    ),
    "NS125": Entry(
        "error",
        "block defined twice",
        "block '{name}' is defined in two files",
        "rename one; a spec that extends another may change its blocks",
    ),
    "NS126": Entry(
        "error",
        "too many layers",
        "the spec expands to more than {limit} layers here",
        "lower the repeats, or allow more with --max-layers",
    ),
    "NS127": Entry(
        "error",
        "blocks nested too deep",
        "groups, branches and blocks stand more than {limit} levels deep within one another here",
        "use fewer blocks within blocks",
    ),
    "NS128": Entry("warning", "unused block", "the block '{name}' is never used", "remove it, or use it: '- {name}'"),
    "NS130": Entry(
        "error",
        "keys that exclude one another",
        "a spec has either '{first}' or '{second}', not both",
        "keep '{first}' for one, '{second}' for several by name",
    ),
    "NS131": Entry(
        "error",
        "initialiser without its parameter",
        "the layer has no parameter '{parameter}'",
        ("its parameters are {known}", "it has none at all"),
    ),
}
