"""What each verb of the command line does; each function returns the exit code."""

from benchmark.verbs.others import (
    contract,
    evaluate,
    export_split,
    list_all,
    prepare_all,
    recommend,
    selftest,
)
from benchmark.verbs.records import merge, report, rerun, show, verify
from benchmark.verbs.training import run, tune

__all__ = [
    "contract",
    "evaluate",
    "export_split",
    "list_all",
    "merge",
    "prepare_all",
    "recommend",
    "report",
    "rerun",
    "run",
    "selftest",
    "show",
    "tune",
    "verify",
]
