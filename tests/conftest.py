"""Hypothesis profiles: `dev` explores, `ci` repeats the same examples at every run, `nightly` takes its time.

`ci` is chosen where the environment has CI, any by its name in HYPOTHESIS_PROFILE. The nightly run is

    HYPOTHESIS_PROFILE=nightly python -m pytest

and tries 10,000 examples of each law, and as many lives of a Value; it takes hours. What a test finds is kept in
`.hypothesis`, and tried first by the next run of `dev` or `nightly`. `mutation` has few examples, the same each time,
for thousands of runs.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
settings.register_profile("dev", settings.get_profile("patient"), max_examples=50)
settings.register_profile("ci", settings.get_profile("patient"), max_examples=25, derandomize=True)
settings.register_profile("nightly", settings.get_profile("patient"), max_examples=10_000)
settings.register_profile("mutation", settings.get_profile("ci"), max_examples=8, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))
