"""Wording of what shows when a network meets its data and its machine: NS5 training, NS9 the run."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

RUNNING: dict[str, Entry] = {
    "NS501": Entry(
        "error",
        "classes and last layer differ",
        "data '{data}' has {classes} classes, but '{layer}' gives {outputs} numbers",
        ("write {suggestion}", "let the last layer give {classes}"),
    ),
    "NS502": Entry(
        "error",
        "data and input differ",
        (
            "data '{data}' gives {found} to the input '{input}', which is {expected}",
            "data '{data}' gives {found}, but the input is {expected}: {differs}",
            "data '{data}' gives {found}, but the input is {expected}",
        ),
        ("write input: {suggestion}", "change 'input:', or add a step to 'preprocess:' that makes them equal"),
    ),
    "NS503": Entry(
        "error",
        "preprocessing and input differ",
        "'{transform}' has {count} numbers, but the input has {channels} channels",
        "write one number for all channels, or one for each",
    ),
    "NS504": Entry(
        "error",
        "class weights and head differ",
        "class_weights has {count} numbers, but head '{head}' gives {outputs}",
        "write one weight for each class",
    ),
    "NS505": Entry(
        "error",
        "nothing to judge the schedule by",
        "the schedule '{schedule}' goes by the loss on a validation part, but there is none",
        "keep some of the training part aside, such as 'validation: 0.1' under 'train:'",
    ),
    "NS507": Entry(
        "error",
        "no such field in the data",
        "the {kind} '{name}' wants the field '{field}', but data '{data}' has none of that name",
        "its fields are {known}: name one as '{key}:' of '{name}'",
    ),
    "NS508": Entry(
        "error",
        "field and head differ",
        (
            "head '{head}' of {channels} channels learns {wanted}, but field '{field}' of data '{data}' has {found}",
            "head '{head}' learns numbers of {wanted}, but field '{field}' of data '{data}' has {found}",
        ),
        "change the layers of the head, its loss, or its 'target:'",
    ),
    "NS510": Entry(
        "error",
        "transform that was not fitted",
        "'{name}' learns its numbers from the training part, and there has been none yet",
        "train first, or load a run directory, which keeps them",
    ),
    "NS512": Entry(
        "error",
        "transform or augmentation that does not fit",
        "'{name}' does not go with this network and its data: {problem}",
    ),
    "NS513": Entry(
        "warning",
        "unusual learning rate",
        "learning rate {rate} is out of the usual range of {optimizer}, {lowest} to {highest}",
        "begin with {usual}",
    ),
    "NS514": Entry(
        "warning",
        "loss and last activation do not match",
        (
            "'{layer}' is the last layer, but loss {loss} goes with {absorbs} or with plain numbers",
            "'{layer}' is the last layer, but loss {loss} wants plain numbers",
        ),
        ("put {absorbs} in its place, or take it away", "train with cross_entropy, or take '{layer}' away"),
    ),
    "NS515": Entry(
        "warning",
        "batch larger than the data",
        "batch {batch} is larger than the {samples} training samples of data '{data}'",
        "write a smaller batch, such as 32",
    ),
    "NS516": Entry(
        "warning",
        "input not normalised",
        "images of data '{data}' enter the network with numbers up to {largest}",
        "put 'divide: 255' into preprocess, or normalize with mean and standard deviation",
    ),
    "NS517": Entry(
        "warning",
        "schedule longer than the run",
        (
            "{attribute} of schedule '{schedule}' is {waits} epochs, but the run has {epochs}",
            "schedule '{schedule}' drops after epoch {drop}, but the run ends after {epochs}",
        ),
        "shorten it, or train for more epochs",
    ),
    "NS518": Entry(
        "warning",
        "dropout that drops nearly everything",
        "'{layer}' drops {rate} of all numbers",
        "the rate is what is dropped: rate: {kept} keeps {rate}",
    ),
    "NS519": Entry(
        "warning",
        "label smoothing that hides the label",
        "label_smoothing {smoothing} leaves {left} of the target to the right class",
        "0.1 is usual",
    ),
    "NS520": Entry(
        "error",
        "nothing to stop early by",
        "'{option}' goes by the loss on a validation part, but there is none",
        "keep some of the training part aside, such as 'validation: 0.1' under 'train:'",
    ),
    "NS521": Entry(
        "error",
        "no class numbers to be balanced",
        "head '{head}' is to weigh its classes as often as they occur, but it learns {found} and not class numbers",
        "write a list of class_weights, or learn class numbers",
    ),
    "NS528": Entry(
        "warning",
        "best of too few classes",
        "one of the {k} likeliest of {classes} classes is always right",
        "write a smaller k, or 'accuracy', which is the best 1",
    ),
    "NS529": Entry(
        "warning",
        "validation part larger than what is left",
        "validation keeps {kept} of the training part aside and leaves {left} to learn from",
        "the share is what is kept aside: validation: {other} leaves {kept}",
    ),
    "NS901": Entry(
        "error",
        "back end cannot be used",
        "back end '{backend}' cannot be used: {reason}",
        ("usable here: {usable}", "--backend numba runs on any CPU"),
    ),
    "NS902": Entry(
        "error",
        "not enough memory",
        (
            "this run needs {needed} ({parts}), but {limit} leaves only {available}",
            "this plan needs {needed}, but only {available} is free",
        ),
        (
            "a batch of {batch} would fit",
            "no batch would fit: '{layer}' holds {parameters} parameters, {share} of all; make it smaller",
            "use a smaller batch",
        ),
    ),
    "NS903": Entry(
        "error",
        "number that is not finite",
        (
            "{quantity} became {value} at step {step}, {blame}",
            "{quantity} became {value} at step {step}",
        ),
        "lower the learning rate, warm it up, or clip the gradients; the parameters of the step before are kept",
    ),
    "NS904": Entry(
        "error",
        "damaged checkpoint",
        "checkpoint '{path}' is damaged: {problem}",
        (
            "the one before it is whole: {previous}",
            "start from an older checkpoint, or afresh in another run directory",
        ),
    ),
    "NS905": Entry("error", "data file at fault", "data file '{path}': {problem}", "{advice}"),
    "NS908": Entry(
        "error",
        "test part used for validation",
        "the part '{part}' of data '{data}' is there to be tested on, and validation would choose by it",
        "write a share of the training part instead, such as 'validation: 0.1'",
    ),
    "NS909": Entry(
        "error",
        "no such part in the data",
        "data '{data}' has no part '{part}' to validate on",
        "write a share of the training part instead, such as 'validation: 0.1'",
    ),
    "NS910": Entry(
        "error",
        "label out of range",
        "field '{field}' of data '{data}' holds {value} in sample {sample} of its {part} part, but head '{head}' has "
        "the classes 0 to {last}",
        "class numbers begin at 0; change the last layer, or the data",
    ),
    "NS911": Entry(
        "error",
        "data that cannot be fetched",
        "{address} cannot be had: {problem}",
        "fetch it by other means, put it into a folder {folder}/, and name that one's parent with --data-dir",
    ),
    "NS912": Entry(
        "error",
        "worker that cannot go on",
        "worker {worker} cannot make {sample}: {problem}",
        "mend or take away what it names; with --workers 0 the training process does the same work itself",
    ),
    "NS913": Entry(
        "error",
        "worker that died",
        "worker {worker}, process {process}, {how}",
        "if memory ran out, use fewer --workers; a run that trains goes on from its last checkpoint with --resume",
    ),
    "NS914": Entry(
        "error",
        "too many steps skipped",
        "{count} steps in a row were skipped, the last one since: {problem}",
        "lower the learning rate, warm it up, or clip the gradients; the parameters of before these steps are kept",
    ),
    "NS918": Entry(
        "error",
        "damaged bundle",
        "bundle is damaged: {problem}",
        "make it again: netspec compile SPEC -o BUNDLE",
    ),
    "NS919": Entry(
        "error",
        "changed bundle",
        "bundle is not as it was written: {member} has another hash",
        "unpack spec.resolved.yaml, look at it, and make another: netspec compile spec.resolved.yaml -o BUNDLE",
    ),
    "NS920": Entry(
        "error",
        "newer bundle",
        "bundle is of version {found}, written by netspec {writer}; this one reads up to {known}",
        "upgrade netspec, or make the bundle with this version of it",
    ),
    "NS921": Entry(
        "error",
        "runs that cannot be compared",
        ("'{first}' and '{second}' cannot be compared: {reason}", "'{first}' cannot be compared: {reason}"),
        "runs are compared that learn the same heads from the same data; 'netspec diff' compares any two specs",
    ),
    "NS922": Entry(
        "error",
        "no average of the weights",
        "the run '{run}' made no average of its weights",
        "leave out --averaged, or train with 'average: 0.999' under 'train:'",
    ),
    "NS923": Entry(
        "error",
        "package that is missing",
        "{what} needs the package '{package}', which is not installed",
        "pip install 'netspec[{extra}]'",
    ),
    "NS928": Entry(
        "warning",
        "run without its report",
        "the run is done, but its report could not be made: {problem}",
        "netspec report {folder} tries again; --no-report leaves it out",
    ),
    "NS933": Entry(
        "error",
        "sides that do not compute the same",
        "'{what}' of {variant} differs from netspec's by {error} of the largest number, but {tolerance} is allowed",
        "nothing was measured, since it would compare different things; please report it with the spec",
    ),
    "NS934": Entry(
        "error",
        "side of a measurement that failed",
        "{variant} ended before it was done: {problem}",
        "leave it out of --against, or run it with --traceback",
    ),
    "NS935": Entry(
        "error",
        "no such peer",
        "there is no peer '{peer}' to measure against",
        "there are: {known}",
    ),
    "NS936": Entry(
        "error",
        "peer that does not train",
        "'{peer}' predicts only, and cannot be measured in training",
        "measure predictions with '--mode infer', or leave it out of --against",
    ),
    "NS938": Entry(
        "error",
        "kernel that does not compile",
        "{compiler} cannot compile a kernel: {problem}",
        (
            "{advice}",
            "if its version is one of those in docs/gpu.md, this is a bug of netspec",
        ),
    ),
    "NS939": Entry(
        "error",
        "kernel that does not end",
        "kernel '{kernel}' does not come to its end: {problem}",
        "this is a bug of netspec, or of the plug-in that the kernel came with",
    ),
    "NS940": Entry(
        "error",
        "the GPU gave up",
        "{what} failed on {device}: {problem}",
        "run it again; if it stays, update the NVIDIA driver or use --backend numba",
    ),
    "NS941": Entry(
        "error",
        "precision that the backend does not compute in",
        "backend '{backend}' computes in float32 alone, not in {precision}: only a GPU's tensor cores gain by that",
        "write 'precision: float32', or give --set train.precision=float32; --backend cupy computes in {precision}",
    ),
    "NS942": Entry(
        "error",
        "precision that the GPU does not compute in",
        "{device} has compute capability {capability}; {precision} needs tensor cores of 8.0 or newer",
        "write 'precision: float32', or give --set train.precision=float32",
    ),
    "NS944": Entry(
        "error",
        "mended spec cannot be written",
        "the file stays as it was: what is mended cannot be written: {problem}",
        "'netspec lint --diff' shows what would change",
    ),
    "NS946": Entry(
        "error",
        "language server not installed",
        "the language server needs '{module}', which is not installed",
        "pip install 'netspec[{extra}]'",
    ),
    "NS947": Entry(
        "error",
        "name that cannot be given",
        "'{name}' cannot be called '{new}': {reason}",
        "choose another name",
    ),
    "NS949": Entry(
        "error",
        "other classes than were learnt",
        "the classes of '{data}' are {found}; the network has learnt {learnt}",
        "name the folders (or the classes of the table) as those that were learnt; some of them will do",
    ),
    "NS950": Entry(
        "error",
        "MPI not installed",
        "--distributed needs MPI, but {problem}",
        "pip install 'netspec[mpi]' brings mpi4py and MPICH, whose mpiexec lies beside the python that it is for",
    ),
    "NS951": Entry(
        "error",
        "ranks that do not see each other",
        (
            "{launcher} started {started} ranks, but MPI ({library}) sees {size}",
            "{launcher} started {started} ranks, but mpi4py loads another MPI ({library})",
        ),
        "start them with the mpiexec of the MPI that mpi4py was loaded with, which lies beside the python that runs, "
        "or name the library of the other: export MPI4PY_LIBMPI=PREFIX/lib/libmpi.so",
    ),
    "NS952": Entry(
        "error",
        "ranks that differ",
        "rank {rank} on {host} would not train the same: its {name} is {found}, that of rank 0 on {first} {expected}",
        "bring netspec, spec, data and command line to the same state on all hosts",
    ),
    "NS953": Entry(
        "error",
        "backend that cannot exchange",
        "the backend '{backend}' cannot train on several ranks: it does not let gradients be exchanged within a step",
        "use --backend numba, or leave out --distributed",
    ),
    "NS954": Entry(
        "error",
        "batch smaller than the ranks",
        "a batch of {batch} samples cannot be split over {size} ranks",
        "give a larger --batch, or start fewer ranks",
    ),
    "NS955": Entry(
        "error",
        "rank that hangs",
        "rank {rank} on {host} kept the others waiting for {seconds} s",
        (
            "see what process {process} does there; if it is only slow, give a larger --rank-timeout",
            "give a larger --rank-timeout if it is only slow",
        ),
    ),
    "NS956": Entry(
        "error",
        "option that ranks cannot share",
        "{option} does not go with --distributed",
        "leave one of the two out",
    ),
    "NS957": Entry(
        "error",
        "rank that died",
        "rank {rank} on {host} (process {process}) died",
        "see what its system's log says of it; --resume goes on from the last checkpoint, with any number of ranks",
    ),
    "NS964": Entry(
        "warning",
        "kernels that cannot be kept",
        "compiled kernels cannot be kept in '{folder}': each start will compile them anew",
        "name a folder that can be written: export NETSPEC_CACHE_DIR=DIR",
    ),
    "NS990": Entry(
        "error",
        "NCCL not installed",
        "to train on several GPUs CuPy needs NCCL, which is not installed here",
        "pip install 'netspec[nccl]' brings it for CUDA 13; for CUDA 12 it is nvidia-nccl-cu12",
    ),
    "NS991": Entry(
        "error",
        "fewer GPUs than ranks",
        "ranks {first} and {second} on {host} would have to share the GPU at {gpu}",
        "start no more ranks on a host than it has GPUs, and let each of them see all or another one "
        "(CUDA_VISIBLE_DEVICES)",
    ),
    "NS992": Entry(
        "error",
        "NCCL failed",
        "NCCL failed on rank {rank} on {host}: {problem}",
        "NCCL_DEBUG=INFO in the environment of the ranks makes it tell more",
    ),
    "NS993": Entry(
        "error",
        "place that cannot be written to",
        "'{path}' cannot be written: {problem}",
        "name a place in a folder that is there and may be changed",
    ),
    "NS994": Entry(
        "error",
        "no room for what is to be written",
        "'{path}' cannot be written: {problem}",
        "make room on that disk, or name a place on another",
    ),
}
