from joulo_exporter import logs


def told(notice):
    return None if notice is None else (notice.kind, notice.reason, notice.failures, notice.lasted_s)


def test_a_failure_is_told_when_it_begins_hourly_and_when_it_ends():
    log = logs.FailureLog()

    assert told(log.failed("timeout", 100.0)) == ("began", "timeout", 1, 0.0)
    assert [told(log.failed("timeout", 100.0 + 60 * n)) for n in range(1, 60)] == [None] * 59
    assert told(log.failed("timeout", 3700.0)) == ("continues", "timeout", 61, 3600.0)
    assert told(log.failed("timeout", 3760.0)) is None
    assert told(log.failed("timeout", 7300.0)) == ("continues", "timeout", 63, 7200.0)
    assert told(log.succeeded(7360.0)) == ("recovered", "timeout", 63, 7260.0)
    assert told(log.succeeded(7420.0)) is None


def test_a_success_from_the_start_is_not_told():
    assert logs.FailureLog().succeeded(0.0) is None


def test_another_reason_is_told_at_once():
    log = logs.FailureLog()
    log.failed("timeout", 0.0)

    assert told(log.failed("unauthorized", 60.0)) == ("changed", "unauthorized", 2, 60.0)
    assert told(log.succeeded(120.0)) == ("recovered", "unauthorized", 2, 120.0)


def test_two_reasons_that_take_turns_are_told_once_an_hour_each():
    log = logs.FailureLog()
    notices = [log.failed(("timeout", "connection")[n % 2], 60.0 * n) for n in range(121)]

    assert [(n, notice.kind) for n, notice in enumerate(notices) if notice] == [
        (0, "began"),
        (1, "changed"),
        (60, "continues"),
        (61, "continues"),
        (120, "continues"),
    ]


def test_after_a_recovery_everything_is_told_anew():
    log = logs.FailureLog(repeat_s=10.0)
    log.failed("timeout", 0.0)
    log.succeeded(1.0)

    assert told(log.failed("timeout", 2.0)) == ("began", "timeout", 1, 0.0)
    assert told(log.failed("timeout", 11.0)) is None
    assert told(log.failed("timeout", 12.0)) == ("continues", "timeout", 3, 10.0)
