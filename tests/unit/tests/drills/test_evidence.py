from tests.drills.evidence import waiting

# Two of dockerd 20.10.24's, as it writes them on SIGUSR1; arguments and places shortened.
DUMP = """\
goroutine 61 [select]:
github.com/docker/swarmkit/agent.(*Agent).run(0xc0005, {0x5a3e, 0xc000b})
\t/src/vendor/github.com/docker/swarmkit/agent/agent.go:257 +0x8a5

goroutine 192 [semacquire, 4 minutes]:
sync.runtime_SemacquireMutex(0x0, 0x0, 0x0)
\t/usr/lib/go-1.19/src/runtime/sema.go:77 +0x25
github.com/docker/docker/daemon.(*Daemon).SystemInfo(0xc0001)
\t/src/daemon/info.go:30 +0x4a
github.com/docker/swarmkit/agent.(*Agent).run(0xc0006, {0x5a3e, 0xc000b})
\t/src/vendor/github.com/docker/swarmkit/agent/agent.go:257 +0x8a5

goroutine 200 [select, 4 minutes]:
net/http.(*persistConn).readLoop(0xc0007)
\t/usr/lib/go-1.19/src/net/http/transport.go:2213 +0x12
"""


def test_what_swarms_agent_has_waited_for_is_told_in_a_line_with_who_called_it() -> None:
    (told,) = waiting(DUMP)

    functions = ["sync.runtime_SemacquireMutex", "daemon.(*Daemon).SystemInfo", "agent.(*Agent).run"]
    assert told == f"goroutine 192 [semacquire, 4 minutes]: {' < '.join(functions)}"


def test_an_engine_that_wrote_nothing_waits_for_nothing() -> None:
    assert waiting("no answer to sh -c within 10 s") == []
