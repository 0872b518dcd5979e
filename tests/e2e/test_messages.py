"""One message for each session that ends: real exporter, Prometheus and Alertmanager, killed again and again."""

import contextlib
import json
import math
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from support.processes import (
    EACH_SECOND,
    configured_prometheus,
    exporter,
    free_port,
    get,
    query,
    running,
    wait_for,
)
from support.programs import GENERATIONS
from support.simulator import json_server, scenario, simulator

pytestmark = pytest.mark.e2e

DEPLOY = Path(__file__).parents[2] / "deploy"
SESSIONS = 20
COMPLETE = b"\njoulo_history_complete 1"
AFTER_THE_LAG = {
    "min_over_time(joulo_ended_session_kwh[5m])": 8.4,
    "min_over_time(joulo_ended_session_duration_seconds[5m])": 4000,
    "changes(joulo_total_kwh[5m])": 1,
    "changes(joulo_sessions_total[5m])": 1,
    "joulo_session_seconds_total": 4000,
}

TEXTS = ("kwh", "duration_seconds", "summary_nl")

# After how many messages which programs are killed, and how long they stay away.
KILLS = (
    (2, ("exporter",), 0.0),
    (3, ("prometheus",), 0.0),
    (5, ("alertmanager",), 0.0),
    (7, ("exporter", "prometheus"), 0.0),
    (8, ("alertmanager", "prometheus"), 0.0),
    # Longer than Alertmanager believes a silent Prometheus (4 times the resend delay): all alerts are over for it.
    (10, ("prometheus",), 5.0),
    (13, ("exporter", "prometheus", "alertmanager"), 1.0),
    (15, ("alertmanager",), 3.0),
    (17, ("exporter",), 3.0),
    (18, ("exporter", "prometheus", "alertmanager"), 0.0),
)


class Phone:
    """A webhook that keeps what it gets, and can be out of reach."""

    def __init__(self):
        self.messages = []
        self.reachable = True

    def respond(self, path, body):
        if not self.reachable:
            return 503, None
        self.messages.append((path, json.loads(body)))
        return 200, None


class LaggingApi:
    """Ten chargers, whose sessions end half a second apart; ``/chargers`` is four seconds behind ``/sessions``."""

    def __init__(self):
        self.ending_at = math.inf
        began = int(time.time()) - 4010
        start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began + at)) for at in (0, 4000))
        self._live = {"started_at": start, "kwh_so_far": 7.0}
        self._active = {"started_at": start, "ended_at": None, "kwh": 7.0, "status": "charging"}
        self._ended = {"started_at": start, "ended_at": end, "kwh": 8.4, "status": "completed"}

    def respond(self, path, _):
        def ended(number, lag_s=0.0):
            return time.time() >= self.ending_at + number / 2 + lag_s

        chargers = [
            {"id": f"c{n}", "slug": f"c{n}", "status": "online",
             "current_session": None if ended(n, 4.0) else self._live | {"id": f"s{n}"}}
            for n in range(10)
        ]  # fmt: skip
        sessions = [
            (self._ended if ended(n) else self._active) | {"id": f"s{n}", "charger_id": f"c{n}"} for n in range(10)
        ]
        content = {
            "/chargers": {"chargers": chargers},
            "/sessions": {"sessions": sessions, "limit": 100},
            "/energy": {"total_kwh": 84.0},
        }
        return 200, content[path]


def prometheus(generation, folder, port, exporter_port, alertmanager_port):
    """Run Prometheus with the shipped configuration and rules, but quicker."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = EACH_SECOND | {"evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "prometheus/rules/*.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{exporter_port}"]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager_port}"]
    return configured_prometheus(generation, folder, port, config, "--rules.alert.resend-delay=1s")


@contextlib.contextmanager
def alertmanager(generation, folder, port, phone_url):
    """Run Alertmanager with the shipped routes; each receiver is a path of the phone."""
    config = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())
    del config["global"]
    config["templates"] = [str(DEPLOY / "alertmanager/templates/*.tmpl")]
    for receiver in config["receivers"]:
        name = receiver["name"]
        hook = {"url": f"{phone_url}/{name}", "send_resolved": name.endswith("-health")}
        receiver.clear()
        receiver |= {"name": name, "webhook_configs": [hook]}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = [
        generation.path("prometheus-alertmanager"), f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=", "--data.maintenance-interval=1s",
    ]  # fmt: skip
    with running(command, folder / "alertmanager.log") as process:
        wait_for("Alertmanager to be ready", lambda: get(f"http://127.0.0.1:{port}/-/ready"))
        yield process


class Programs(ExitStack):
    """The programs between an API and a phone; each can be killed and started anew."""

    def __init__(self, generation, folder, api_url, phone):
        super().__init__()
        ours, prometheus_port, alertmanager_port = (free_port() for _ in range(3))
        self._notified, self._phone = folder / "alertmanager/nflog", phone
        self.metrics_url = f"http://127.0.0.1:{ours}/metrics"
        self.prometheus_url = f"http://127.0.0.1:{prometheus_port}"
        self._start = {
            "alertmanager": lambda: alertmanager(generation, folder, alertmanager_port, self.phone_url),
            "exporter": lambda: exporter(folder, api_url, ours),
            "prometheus": lambda: prometheus(generation, folder, prometheus_port, ours, alertmanager_port),
        }
        self._processes = {}

    def __enter__(self):
        self.phone_url = self.enter_context(json_server(self._phone.respond))
        for name in self._start:
            self.start(name)
        return self

    def start(self, name):
        self._processes[name] = self.enter_context(self._start[name]())

    def kill(self, name):
        if name == "alertmanager":
            # What is sent and not yet in its notification log is sent again, as documented.
            self._phone.reachable, since, log = False, time.time() + 0.3, self._notified
            wait_for("the notification log", lambda: log.exists() and log.stat().st_mtime > since)
        self._processes[name].kill()
        self._processes[name].wait()
        self._phone.reachable = True

    def wait_for_metric(self, line):
        wait_for(repr(line), lambda: line in get(self.metrics_url))


def sessions(api_url):
    answer = json.loads(get(f"{api_url}/sessions?limit=100", {"Authorization": "Bearer joulo_demo"}))
    return {session["id"]: session for session in answer["sessions"] if session["ended_at"]}


def told(messages):
    """Return how many messages there are of each session."""
    return Counter(body["groupLabels"]["session_id"] for _, body in messages)


def evening_of(generation, folder):
    """Let twenty sessions end while programs are killed.

    Return the messages, ids of sessions that had ended before the exporter came, of those that are due, and all
    that have ended.
    """
    household = scenario(session_s=3, pause_s=1, credits_delay_s=1, history_sessions=40)
    with simulator(household) as api_url:
        before, phone = set(sessions(api_url)), Phone()
        with Programs(generation, folder, api_url, phone) as programs:
            programs.wait_for_metric(COMPLETE)
            imported = set(sessions(api_url))
            for count, names, pause_s in KILLS:
                wait_for(f"message {count}", lambda count=count: len(phone.messages) >= count)
                for name in names:
                    programs.kill(name)
                time.sleep(pause_s)
                for name in names:
                    programs.start(name)
            wait_for("twenty ends", lambda: len(sessions(api_url)) >= len(imported) + SESSIONS)
            due = set(sessions(api_url)) - imported
            wait_for("all messages", lambda: due <= told(phone.messages).keys())
            time.sleep(3)  # for what should not come
            return list(phone.messages), before, due, sessions(api_url)


def lag_of(generation, folder):
    """Let ten sessions end of which ``/chargers`` learns late; return the messages, and values of queries."""
    api, phone = LaggingApi(), Phone()
    with json_server(api.respond) as api_url, Programs(generation, folder, api_url, phone) as programs:
        live = b'joulo_session_kwh{charger="c9"} 7'
        programs.wait_for_metric(live)
        programs.wait_for_metric(COMPLETE)
        wait_for("a scrape", lambda: len(query(programs.prometheus_url, "joulo_total_kwh == 7")) == 10)
        api.ending_at = time.time()
        wait_for("ten messages", lambda: len(phone.messages) >= 10)
        wait_for("/chargers to catch up", lambda: live not in get(programs.metrics_url))
        time.sleep(2)  # for what should not come
        values = {asked: set(query(programs.prometheus_url, asked).values()) for asked in AFTER_THE_LAG}
        return phone.messages, values


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    """What came of both with each generation; all at the same time, since they mostly wait."""
    asked = [(live, generation) for live in (evening_of, lag_of) for generation in GENERATIONS]
    with ThreadPoolExecutor() as pool:
        running = {
            each: pool.submit(*each, tmp_path_factory.mktemp(f"{each[0].__name__}_{each[1].name}"))
            for each in asked
        }
    return {each: life.result() for each, life in running.items()}


def test_one_message_a_session_none_false_none_lost(lives, generation):
    messages, before, due, ended = lives[evening_of, generation]
    counts = told(messages)
    assert {session: count for session, count in counts.items() if count != 1} == {}
    assert len(due) >= SESSIONS
    assert due <= counts.keys() <= ended.keys() - before
    assert {(path, body["status"], len(body["alerts"])) for path, body in messages} == {
        ("/ntfy-session", "firing", 1)
    }
    assert len({body["commonLabels"]["charger"] for _, body in messages}) == 2


def test_each_has_the_final_energy_in_dutch_and_english(lives, generation):
    messages, _, _, ended = lives[evening_of, generation]
    for _, body in messages:
        labels, notes = body["commonLabels"], body["commonAnnotations"]
        final = ended[labels["session_id"]]["kwh"]
        assert notes["kwh"] == f"{final:.2f}" != "0.00"
        kwh, total = f"{float(notes['kwh']):.1f}", f"{float(notes['total_kwh']):.1f}"
        assert notes["summary"] == f"Charging session ended: {kwh} kWh charged"
        assert notes["summary_nl"] == f"Laadbeurt klaar: {kwh.replace('.', ',')} kWh geladen"
        assert f"{labels['charger']}, in 3s. ERE" in notes["description"]
        assert notes["duration_seconds"] == "3"
        assert notes["description"].endswith(f" Total of this charger: {total} kWh.")
        assert notes["description_nl"].endswith(f" Totaal van dit laadpunt: {total.replace('.', ',')} kWh.")


def test_the_message_says_what_sessions_lists_while_chargers_lag_behind(lives, generation):
    messages, values = lives[lag_of, generation]
    assert told(messages) == {f"s{n}": 1 for n in range(10)}
    texts = {tuple(body["commonAnnotations"][key] for key in TEXTS) for _, body in messages}
    assert texts == {("8.40", "4000", "Laadbeurt klaar: 8,4 kWh geladen")}
    assert values == {asked: {value} for asked, value in AFTER_THE_LAG.items()}
