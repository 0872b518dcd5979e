"""A simulated household that speaks the Joulo API's wire format.

It serves the demo, the tests and the benchmarks: no token, no network beyond the machine, the same
responses every time.
"""

from joulo_exporter.simulator.household import Household, Scenario
from joulo_exporter.simulator.server import BASE_PATH, DEMO_TOKEN, SimulatedApi, serve

__all__ = ["BASE_PATH", "DEMO_TOKEN", "Household", "Scenario", "SimulatedApi", "serve"]
