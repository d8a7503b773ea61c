"""The conformance kit: what the author of a plug-in runs on it, and netspec on itself. Any test runner will do.

An op plug-in brings, beside its module of declarations, a module ``<module>_reference`` with the float64 definition of
every op, and ``CASES`` and ``BOUNDS`` where reflection cannot know them (see :mod:`netspec.core.reference`). Then this
proves its gradients, against finite differences::

    @pytest.mark.parametrize("case", cases(REGISTRIES["op"]["my_op"]), ids=str)
    def test_gradients(case):
        assert check_gradients(case) == []

and, where it is lowered to other ops, that those are what it is defined to be::

    @pytest.mark.parametrize("case", lowered_cases(cases(REGISTRIES["op"]["my_op"])), ids=str)
    def test_lowering(case):
        assert check_lowering(case) == []

and this its kernels on a backend, against the definition::

    @pytest.mark.parametrize("case", cases(REGISTRIES["op"]["my_op"]), ids=str)
    def test_kernels(case):
        assert check_case(find_backend("numba"), case) == []

A backend plug-in does the same over ``all_cases()``, over those of ``optional_cases()`` that it has kernels of, and
tries whole networks too::

    @pytest.mark.parametrize("trial", network_trials(), ids=str)
    def test_networks(trial):
        assert check_trial(MyBackend(), trial) == []

Every check returns the complaints as lines of text, all of them, so that one run shows the whole picture.
"""

from __future__ import annotations

from netspec.core.reference import Bound, Case, Context
from netspec.testing.cases import all_cases, cases, optional_cases
from netspec.testing.conformance import check_case, check_trial, other_algorithms
from netspec.testing.finite_differences import check_gradients, differentiable_cases
from netspec.testing.interpreter import Interpretation, interpret
from netspec.testing.lowering import check_lowering, lowered_cases
from netspec.testing.networks import byte_trials, network_trials
from netspec.testing.trials import Trial, inference_trial, training_trial

__all__ = [
    "Bound",
    "Case",
    "Context",
    "Interpretation",
    "Trial",
    "all_cases",
    "byte_trials",
    "cases",
    "check_case",
    "check_gradients",
    "check_lowering",
    "check_trial",
    "differentiable_cases",
    "inference_trial",
    "interpret",
    "lowered_cases",
    "network_trials",
    "optional_cases",
    "other_algorithms",
    "training_trial",
]
