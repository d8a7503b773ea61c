"""Wording of what is wrong with the network: NS2 shapes that do not fit, NS3 layers that make no sense together."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

NETWORK: dict[str, Entry] = {
    "NS200": Entry("error", "shape error", "{message}", "{advice}"),
    "NS201": Entry(
        "error",
        "kernel does not fit",
        (
            "{attribute} {kernel} does not fit the {input} input of '{layer}'",
            "kernel {kernel} does not fit the {input} input of '{layer}'",
            "{attribute} {kernel} does not fit what comes into '{layer}', whatever size the mistake before leaves it",
        ),
        (
            "padding: same keeps {same}; {attribute}: {largest} gives {result}",
            "padding: same keeps {same}; kernel: {largest} gives {result}",
            "a smaller window, 'padding: same' or less pooling before it would fit",
        ),
    ),
    "NS202": Entry(
        "error",
        "groups do not divide the channels",
        (
            "groups: {groups} does not divide the {channels} {which} channels of '{layer}'",
            "groups: {groups} does not divide the {channels} channels of '{layer}'",
        ),
        ("groups can be {divisors}", "choose a number that divides the channels that come in and those that go out"),
    ),
    "NS203": Entry(
        "error",
        "shapes cannot be merged",
        "'{layer}' cannot merge {shapes}: the shapes differ",
        (
            "{advice}",
            "a conv with kernel: 1 on the shortcut gives it the channels, its stride the size, of the other branch",
        ),
    ),
    "NS204": Entry(
        "error",
        "shapes cannot be joined",
        "'{layer}' joins along {axis}, but {shapes} differ in another axis",
        (
            "{advice}",
            "only {axis} may differ: give every branch the same strides, and 'padding: same' to each window",
        ),
    ),
    "NS205": Entry(
        "error",
        "dense on an image",
        "'{layer}' wants one row of features, but a {input} image comes in",
        (
            "put 'flatten' before it ({features} features), or 'global_avg_pool' ({channels} features)",
            "put 'flatten' or 'global_avg_pool' before it",
        ),
    ),
    "NS206": Entry(
        "error",
        "unknown layer in 'from'",
        (
            "layer '{later}' comes after this one, so its output is not there yet",
            "'{automatic}' is the automatic name of a layer, which changes when another is put before it",
            "no layer before this one is called '{name}'",
        ),
        (
            "did you mean '{suggestion}'?",
            "order is flow: move this layer below '{later}'",
            "write 'name: {automatic}' at the layer that is meant",
            "named before this one: {known}",
            "give the layer that is meant a 'name:'",
        ),
    ),
    "NS207": Entry(
        "error",
        "input looks channels-first",
        "input {shape} looks channels-first, but shapes are written channels-last",
        "write {suggestion}",
    ),
    "NS208": Entry(
        "error",
        "input lacks its channel axis",
        "input {shape} lacks its channel axis",
        ("write {suggestion}", "the last number says how many channels there are: 1 for grey, 3 for colour"),
    ),
    "NS209": Entry(
        "error",
        "expectation not met",
        (
            "expected {what} to be at least {minimum}, but it is {found}",
            "expected {what} to be at most {maximum}, but it is {found}",
            "expected {what} to be {expected}, but it is {found}",
        ),
        "did you mean '{suggestion}'?",
    ),
    "NS210": Entry(
        "error",
        "wrong number of axes",
        "'{attribute}' gives {count} numbers, but the {input} input of '{layer}' has {axes} axes to slide over",
        ("write one number for every axis alike, or one per axis: {suggestion}", "write one number, or one per axis"),
    ),
    "NS211": Entry(
        "error",
        "branches or from",
        (
            "'{layer}' takes {wanted} inputs, but has {count}",
            "'{layer}' takes one input, but 'from' names {count}",
            "'{layer}' merges its branches or the layers that 'from' names, but has {given}",
        ),
        (
            "{advice}",
            "only merges such as add and concat take several: write branches, or 'from: [a, b]' beside the bare op",
        ),
    ),
    "NS212": Entry(
        "error",
        "no axes to slide over",
        "'{layer}' slides over one to three axes beside the channels, but a {input} input comes in",
        "place it before 'flatten' or 'dense', where there still is an image",
    ),
    "NS213": Entry(
        "error",
        "causal padding of an image",
        "padding: causal looks back along one axis, but the {input} input of '{layer}' has {axes}",
        "write padding: same, or a [before, after] pair per axis",
    ),
    "NS214": Entry(
        "error",
        "no such axis",
        "the {input} input of '{layer}' has no axis '{axis}'",
        "its axes are {known}",
    ),
    "NS215": Entry(
        "error",
        "shapes cannot be stretched",
        "'{layer}' cannot multiply {shapes}: they differ in axes that are not 1",
        "axes of 1 are stretched, and [C] over [H, W, C]: such gates come from global_avg_pool, masks from filters: 1",
    ),
    "NS216": Entry(
        "error",
        "place out of range",
        "'{layer}' takes {what} {place}, but there are {count}",
        "they are counted from 0, so that the last is {last}",
    ),
    "NS217": Entry(
        "error",
        "numbers do not come out even",
        (
            "'{layer}' cannot cut {count} {what} into {parts} equal parts",
            "'{layer}' cannot make {shape} of the {count} numbers of its {input} input",
        ),
        (
            "{advice}",
            "it can be one of {divisors}",
            "the product of the sides must be as many; one side may be -1, which takes what is left",
        ),
    ),
    "NS218": Entry(
        "error",
        "one of two attributes",
        "'{layer}' wants '{first}' or '{second}', but has {given}",
        "write '{first}' with numbers, or '{second}' with the name of an earlier layer whose size is meant",
    ),
    "NS219": Entry(
        "error",
        "size does not fit",
        (
            "'{layer}' cannot cut {size} out of {input}",
            "'{layer}' cannot repeat the cells of {input} to fill {target}",
            "'{layer}' cannot mirror {margin} cells of an axis of {side}",
        ),
        (
            "{size} needs an input at least as large: 'pad' and 'upsample' make one",
            "nearest repeats cells a whole number of times along each axis; method: bilinear gives {target} too",
            "the edge cell is the mirror, so at most one cell less than the axis has; replicate takes {margin} too",
        ),
    ),
    "NS220": Entry(
        "error",
        "output padding as large as the stride",
        "output_padding {amount} of '{layer}' must be smaller than its stride or its dilation",
        ("use at most {largest}; 'pad' adds more cells", "use a number smaller than the stride"),
    ),
    "NS221": Entry(
        "error",
        "nothing left of the output",
        "the padding of '{layer}' cuts away the whole output of its {input} input",
        "padding of a transposed convolution is cut off the output: use less, or a larger kernel or stride",
    ),
    "NS225": Entry(
        "error",
        "nothing to normalise over",
        "every mean of '{layer}' would be taken of a single number, and all of its {input} output would be the same",
        "place it where a group has more than one number: fewer groups, more channels, or before the pooling",
    ),
    "NS226": Entry(
        "error",
        "one window along the channels",
        "size gives {count} numbers, but under across: channels '{layer}' looks along one axis",
        "write one number, or 'across: space' for a window over the positions of each channel",
    ),
    "NS228": Entry(
        "error",
        "window of padding alone",
        "'{layer}' takes a number from each window, but along axis {axis} one of size {size} lies in the padding alone",
        ("pad by {largest} cells at most", "pad by fewer cells than the window has"),
    ),
    "NS229": Entry(
        "error",
        "initial values do not fit",
        (
            "the values for '{parameter}' are {found}, but it is {expected}",
            "the values are {found}, but the parameter is {expected}",
        ),
        "nest them like the parameter, or write its {count} numbers in one list",
    ),
    "NS233": Entry(
        "error",
        "parameters that cannot be shared",
        (
            "'{layer}' needs {wanted}, but '{other}' has {found}",
            "'{layer}' needs {wanted}, but there is nothing at its place in '{other}'",
        ),
        "only layers of the same kind and shape share parameters; the input must have the same channels",
    ),
    "NS234": Entry(
        "error",
        "nothing to share",
        "'{layer}' has no parameters to share with '{other}'",
        "leave out 'share:'",
    ),
    "NS235": Entry(
        "error",
        "input not said",
        "the network has several inputs, but the first layer does not say which it takes",
        "add 'from: NAME' with one of {known}",
    ),
    "NS236": Entry(
        "error",
        "layer too large",
        "'{layer}' would have {numbers} numbers in its {what}, more than any machine holds",
        "is a number or a unit wrong? The bound is {limit}",
    ),
    "NS238": Entry(
        "error",
        "head named like a layer",
        "the head '{name}' has layers of its own, but a layer of the network is called '{name}' as well",
        "rename one: both would give their parameters the same names",
    ),
    "NS239": Entry(
        "warning",
        "unused layer",
        "nothing takes the output of '{layer}'",
        (
            "none of the heads, {heads}, takes the last layer: write 'main:' among them, or remove the layer",
            "remove it, name it in a later 'from:', or put it into a branch of a merge",
        ),
    ),
    "NS240": Entry(
        "warning",
        "unused input",
        "no layer takes the input '{input}'",
        "remove it, or name it in a layer's 'from:'",
    ),
    "NS241": Entry(
        "warning",
        "output that is the input",
        "no layer lies between the input '{input}' and the output '{head}'",
        "write the layers of the network; 'when' and 'repeat: 0' may have left them all out",
    ),
    "NS242": Entry(
        "error",
        "bounds the wrong way round",
        "nothing is at least {minimum} and at most {maximum}, as '{what}' is said to be",
        "min is the smaller of the two",
    ),
    "NS243": Entry(
        "warning",
        "list without layers",
        "this list of layers is empty, so that '{what}' gives what comes in",
        "write its layers, or leave '{what}' out; only a branch of a merge is empty on purpose",
    ),
    "NS301": Entry(
        "warning",
        "no activation between two layers",
        "no activation between '{first}' and '{second}': together they can do no more than one linear layer",
        "put one, such as relu, between them",
    ),
    "NS302": Entry(
        "warning",
        "activation twice in a row",
        "activation '{second}' directly follows activation '{first}'",
        "keep one of the two",
    ),
    "NS303": Entry(
        "warning",
        "bias before batch norm",
        "the bias of '{layer}' has no effect: '{norm}' takes the mean away again",
        ("bias: false saves {saved} parameters", "write bias: false"),
    ),
    "NS304": Entry(
        "warning",
        "softmax twice",
        "softmax '{second}' works on the output of softmax '{first}', which makes nearly equal probabilities",
        "keep the last one",
    ),
    "NS305": Entry(
        "warning",
        "dropout before batch norm",
        "dropout '{dropout}' stands before '{norm}': the variance seen in training is not the one met in use",
        "move the dropout behind the normalisation",
    ),
    "NS306": Entry(
        "warning",
        "columns lost to the floor",
        "'{layer}' never reads {lost}: only the whole part is kept",
        ("{advice}", "pad the input, or change the stride so that it divides"),
    ),
    "NS307": Entry(
        "warning",
        "stride larger than the window",
        (
            "stride {stride} of '{layer}' is larger than its {attribute} {kernel}: pixels in between are never read",
            "stride {stride} of '{layer}' is larger than its kernel {kernel}: pixels in between are never read",
        ),
        "use a stride of at most {kernel}",
    ),
    "NS308": Entry(
        "info",
        "sigmoids deep in a stack",
        "{count} sigmoids in a row, the first is '{layer}': at most {share} of a gradient comes back through them",
        "put relu in their place; only a gate or the last layer needs a sigmoid",
    ),
    "NS309": Entry(
        "info",
        "even kernel with same padding",
        "kernel {kernel} of '{layer}' has no middle: padding: same shifts the picture by half a cell",
        "take an odd kernel",
    ),
    "NS310": Entry(
        "info",
        "large kernel",
        "kernel {kernel} of '{layer}' takes {now} weights; {count} kernels of {small} see as much with {then}",
        "write {count} convolutions with kernel {small} and an activation between them",
    ),
    "NS311": Entry(
        "info",
        "dense layer that holds most of the parameters",
        "'{layer}' holds {share} of all parameters, for it sees {places} places of {channels} channels each",
        "put global_avg_pool in the place of flatten: it then sees {channels} numbers",
    ),
    "NS312": Entry(
        "info",
        "window on a single pixel",
        "{attribute} {kernel} of '{layer}' slides over a single pixel: all but one of its cells lie in the padding",
        "remove it, write {attribute}: 1, or pool less before it",
    ),
    "NS313": Entry(
        "info",
        "receptive field much smaller than the image",
        "before '{layer}' a place has seen {seen} of the {image} image only",
        "more layers, strides or poolings before it let each place see more",
    ),
    "NS314": Entry(
        "info",
        "receptive field much larger than the image",
        "a place that enters '{layer}' has already seen {seen}, but the image is {image}",
        "fewer layers, or fewer strides before them, would see as much",
    ),
    "NS315": Entry(
        "info",
        "very deep without shortcut or normalisation",
        "{depth} layers with weights follow one another, '{layer}' and on, with no shortcut and no normalisation",
        "put batch_norm behind each convolution, or let branches of an 'add' lead past every two or three",
    ),
    "NS316": Entry(
        "warning",
        "activation before softmax",
        "'{layer}' {does}, but '{softmax}' wants the numbers of the layer before as they are",
        "take '{layer}' away",
    ),
}
