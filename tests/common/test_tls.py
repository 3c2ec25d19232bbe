"""TLS and mutual TLS: what is let in, what is refused, and certificates that change while calls go on."""

import asyncio
import datetime
import ssl
import time

import grpc
import pytest
from cryptography.x509 import DNSName, UniformResourceIdentifier
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError
from structlog.testing import capture_logs

from codearena import ArenaClient, PermissionDeniedError, TLSConfig, UnavailableError
from codearena.v1 import env_service_pb2 as wire
from codearena.v1.env_service_pb2_grpc import EnvServiceStub
from services.common.audit import Audit
from services.common.channel import PeerChannel
from services.common.errors import StartError
from services.common.settings import PeerSettings, ServiceSettings
from services.common.tls import peer_certificates
from tests.common.certificates import DAY, Authority, make_certificate
from tests.common.stand import listing, served
from tests.waiting import eventually

ENV = "spiffe://arena.test/env"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "other")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "authority")


@pytest.fixture
def looking(monkeypatch):
    """Files are looked at whenever somebody connects or calls."""
    monkeypatch.setattr("services.common.watched_files._LOOK_SECONDS", 0.0)


def count(address, **options):
    with ArenaClient(address, max_attempts=1, timeout_seconds=10, **options) as arena:
        return len(list(arena.list_tasks()))


async def ask(address, **options):
    return await asyncio.to_thread(count, address, **options)


def files(server, clients=None):
    found = {"tls_certificate_file": server.certificate, "tls_key_file": server.key}
    return found if clients is None else found | {"tls_client_ca_file": clients.certificate}


def client(authority, certificate):
    return TLSConfig(authority.itself.certificate, certificate.key, certificate.certificate)


async def test_tls(own, other):
    async with served(**files(own)) as env:
        assert await ask(env.address, tls=TLSConfig(own.certificate)) == 0
        assert await ask(env.address, tls=TLSConfig(own.certificate.read_bytes(), server_name="arena.test")) == 0
        for refused in (None, TLSConfig(other.certificate), TLSConfig(own.certificate, server_name="elsewhere.test")):
            with pytest.raises(UnavailableError):
                await ask(env.address, tls=refused)


async def test_tls_with_a_token(own):
    async with served(token="opensesame", **files(own)) as env:
        assert await ask(env.address, tls=TLSConfig(own.certificate), token="opensesame") == 0


async def test_mutual_tls(own, other):
    async with served(**files(own, other)) as env:
        known = TLSConfig(own.certificate, private_key=other.key, certificate_chain=other.certificate)
        assert await ask(env.address, tls=known) == 0
        unknown = TLSConfig(own.certificate, private_key=own.key, certificate_chain=own.certificate)
        for refused in (None, TLSConfig(own.certificate), unknown):
            with pytest.raises(UnavailableError):
                await ask(env.address, tls=refused)


@pytest.mark.parametrize("times", [{"ends": -DAY / 24}, {"begins": DAY / 24}], ids=["expired", "not valid yet"])
async def test_a_client_whose_certificate_is_not_good_now(authority, times):
    server, bad = authority.sign("server"), authority.sign("client", DNSName("env"), **times)
    async with served(**files(server, authority.itself)) as env:
        with pytest.raises(UnavailableError):
            await ask(env.address, tls=client(authority, bad))


class TestAllowedClients:
    @pytest.mark.parametrize("name", [UniformResourceIdentifier(ENV), DNSName("env.arena.test")])
    async def test_one_of_them(self, authority, name):
        server, known = authority.sign("server"), authority.sign("env", name)
        allowed = (ENV, "env.arena.test")
        async with served(**files(server, authority.itself), tls_allowed_clients=allowed) as executor:
            assert await ask(executor.address, tls=client(authority, known)) == 0

    @pytest.mark.parametrize("name", [UniformResourceIdentifier(ENV + "/sub"), DNSName(ENV), DNSName("judge")])
    async def test_another_one_of_the_same_authority(self, authority, name):
        server, stranger = authority.sign("server"), authority.sign("judge", name)
        async with served(**files(server, authority.itself), tls_allowed_clients=(ENV,)) as executor:
            with capture_logs() as logs, pytest.raises(PermissionDeniedError) as caught:
                await ask(executor.address, tls=client(authority, stranger))
            assert caught.value.reason == "CALLER_NOT_ALLOWED"
            assert "CODEARENA_TLS_ALLOWED_CLIENTS" in caught.value.message
            (line,) = (entry for entry in logs if entry["event"] == "refused")
            assert (line["audit"], line["code"]) == (True, "PERMISSION_DENIED")
            await eventually(lambda: executor.handled("ListTasks", "PERMISSION_DENIED") == 1)

    def test_need_an_authority(self, own):
        with pytest.raises(ValidationError, match="CODEARENA_TLS_CLIENT_CA_FILE"):
            ServiceSettings(**files(own), tls_allowed_clients=(ENV,))


class TestChange:
    async def test_a_new_certificate_is_shown_without_a_restart(self, looking, tmp_path):
        old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
        shown = old.sign("server")
        async with served(**files(shown)) as env:
            entered, release = asyncio.Event(), asyncio.Event()

            async def slow(request):
                entered.set()
                await release.wait()
                return wire.ListTasksResponse(total_count=1)

            env.stand.answer = slow
            async with secure(env, old) as channel:
                running = asyncio.create_task(ask_stub(channel))
                await asyncio.wait_for(entered.wait(), 10)
                shown.replace(new.sign("server2", ends=9 * DAY))
                env.stand.answer = listing
                assert await ask(env.address, tls=TLSConfig(new.itself.certificate)) == 0
                with pytest.raises(UnavailableError):
                    await ask(env.address, tls=TLSConfig(old.itself.certificate))
                release.set()
                assert (await running).total_count == 1
                assert (await ask_stub(channel)).total_count == 7
            assert reloads(env, "ok") == 1
            assert days_left(env) == pytest.approx(9, abs=0.1)

    async def test_new_authorities_of_clients(self, looking, tmp_path):
        server = Authority(tmp_path, "server")
        old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
        async with served(**files(server.itself, old.itself)) as env:
            newcomer = TLSConfig(server.itself.certificate, new.itself.key, new.itself.certificate)
            with pytest.raises(UnavailableError):
                await ask(env.address, tls=newcomer)
            old.itself.certificate.write_bytes(new.itself.certificate.read_bytes())
            assert await ask(env.address, tls=newcomer) == 0

    @pytest.mark.parametrize(
        ("spoil", "why"),
        [
            (lambda shown, new: shown.certificate.write_text("nothing"), "no PEM certificate"),
            (lambda shown, new: shown.key.write_text("nothing"), "no PEM key"),
            (lambda shown, new: shown.key.write_bytes(new.sign("other").key.read_bytes()), "is not the key"),
            (lambda shown, new: shown.replace(new.sign("other", ends=-DAY / 24)), "expired at"),
            (lambda shown, new: shown.replace(new.sign("other", begins=DAY / 24)), "not valid before"),
            (lambda shown, new: shown.key.unlink(), "cannot be read"),
            (lambda shown, new: strange(shown.certificate), "of a kind that is not supported"),
        ],
        ids=["no certificate", "no key", "another key", "expired", "not valid yet", "gone", "strange key"],
    )
    async def test_a_broken_one_is_refused_and_the_old_one_stays(self, looking, authority, spoil, why):
        shown = authority.sign("server")
        async with served(**files(shown)) as env:
            with capture_logs() as logs:
                spoil(shown, authority)
                for _ in range(2):
                    assert await ask(env.address, tls=TLSConfig(authority.itself.certificate)) == 0
            refusals = [entry for entry in logs if entry.get("audit") and entry["event"] == "certificates refused"]
            assert len(refusals) == 1
            assert why in refusals[0]["why"]
            assert (reloads(env, "refused"), reloads(env, "ok")) == (1, 0)
            shown.replace(authority.sign("good"))
            assert await ask(env.address, tls=TLSConfig(authority.itself.certificate)) == 0
            assert reloads(env, "ok") == 1

    async def test_one_that_becomes_valid_is_taken_then(self, looking, authority, monkeypatch):
        shown = authority.sign("server")
        async with served(**files(shown)) as env:
            shown.replace(authority.sign("next", begins=DAY / 24, ends=9 * DAY))
            trusted = TLSConfig(authority.itself.certificate)
            assert await ask(env.address, tls=trusted) == 0
            assert (reloads(env, "refused"), reloads(env, "ok")) == (1, 0)
            later = time.time() + 2 * 3600
            monkeypatch.setattr("services.common.certificates.time.time", lambda: later)
            env.server._tls.look()
            assert (reloads(env, "refused"), reloads(env, "ok")) == (1, 1)

    async def test_it_is_seen_when_nobody_connects(self, looking, monkeypatch, authority):
        monkeypatch.setattr("services.common.server._CHECK_SECONDS", 0.02)
        shown = authority.sign("server")
        async with served(**files(shown)) as env:
            shown.replace(authority.sign("next", ends=9 * DAY))
            await eventually(lambda: reloads(env, "ok") == 1)

    async def test_a_link_that_is_turned(self, looking, tmp_path):
        """Kubernetes changes a mounted secret so: all of its files at one moment."""
        old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
        for name, made in (("1", old.sign("server")), ("2", new.sign("server2"))):
            (tmp_path / name).mkdir()
            made.certificate.rename(tmp_path / name / "tls.crt")
            made.key.rename(tmp_path / name / "tls.key")
        link = tmp_path / "..data"
        link.symlink_to("1")
        settings = {"tls_certificate_file": link / "tls.crt", "tls_key_file": link / "tls.key"}
        async with served(**settings) as env:
            assert await ask(env.address, tls=TLSConfig(old.itself.certificate)) == 0
            (tmp_path / "next").symlink_to("2")
            (tmp_path / "next").replace(link)
            assert await ask(env.address, tls=TLSConfig(new.itself.certificate)) == 0

    async def test_without_tls_nothing_expires(self):
        async with served() as env:
            assert days_left(env) == float("inf")


class TestStart:
    async def test_a_certificate_that_is_not_there(self, own, tmp_path):
        with pytest.raises(StartError, match=r"none\.pem cannot be read"):
            async with served(tls_certificate_file=tmp_path / "none.pem", tls_key_file=own.key):
                pass

    async def test_an_expired_certificate(self, authority):
        with pytest.raises(StartError, match=r"server\.pem expired at .*; renew it"):
            async with served(**files(authority.sign("server", ends=-DAY / 24))):
                pass


class TestPeers:
    """The channel from one service to another."""

    @pytest.fixture
    async def pair(self, looking, authority, tmp_path):
        shown = authority.sign("env", UniformResourceIdentifier(ENV))
        server = authority.sign("executor")
        async with served(**files(server, authority.itself), tls_allowed_clients=(ENV,)) as executor:
            settings = PeerSettings(
                peer_ca_file=authority.itself.certificate,
                peer_certificate_file=shown.certificate,
                peer_key_file=shown.key,
            )
            certificates = peer_certificates(settings, executor.registry, Audit("env", None))
            channel = PeerChannel(executor.address, EnvServiceStub, certificates)
            yield executor, channel, shown
            await channel.close()

    async def test_a_new_certificate_fails_no_call(self, pair, authority):
        executor, channel, shown = pair
        entered, release = asyncio.Event(), asyncio.Event()

        async def slow(request):
            entered.set()
            await release.wait()
            return wire.ListTasksResponse(total_count=1)

        executor.stand.answer = slow
        running = asyncio.create_task(_awaited(channel.stub.ListTasks(wire.ListTasksRequest(), timeout=30)))
        await asyncio.wait_for(entered.wait(), 10)
        executor.stand.answer = listing
        for number in range(3):
            shown.replace(authority.sign(f"env{number}", UniformResourceIdentifier(ENV)))
            assert (await channel.stub.ListTasks(wire.ListTasksRequest(), timeout=10)).total_count == 7
        release.set()
        assert (await running).total_count == 1
        assert executor.registry.get_sample_value(
            "codearena_peer_certificate_reloads_total", {"result": "ok"}
        ) == pytest.approx(3)

    async def test_closing_it_ends_calls_on_old_channels_too(self, pair, authority):
        executor, channel, shown = pair
        entered = asyncio.Event()

        async def endless(request):
            entered.set()
            await asyncio.Event().wait()

        executor.stand.answer = endless
        running = asyncio.create_task(_awaited(channel.stub.ListTasks(wire.ListTasksRequest(), timeout=60)))
        await asyncio.wait_for(entered.wait(), 10)
        executor.stand.answer = listing
        shown.replace(authority.sign("next", UniformResourceIdentifier(ENV)))
        assert (await channel.stub.ListTasks(wire.ListTasksRequest(), timeout=10)).total_count == 7
        await channel.close()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 10)
        await eventually(lambda: executor.handled("ListTasks", "CANCELLED") == 1)

    async def test_another_name_is_refused_from_the_next_call_on(self, pair, authority):
        _, channel, shown = pair
        assert (await channel.stub.ListTasks(wire.ListTasksRequest(), timeout=10)).total_count == 7
        shown.replace(authority.sign("judge", DNSName("judge")))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.stub.ListTasks(wire.ListTasksRequest(), timeout=10)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED

    async def test_a_server_of_another_authority(self, authority, other, looking):
        async with served(**files(other)) as executor:
            settings = PeerSettings(peer_ca_file=authority.itself.certificate)
            certificates = peer_certificates(settings, executor.registry, Audit("env", None))
            channel = PeerChannel(executor.address, EnvServiceStub, certificates)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.stub.ListTasks(wire.ListTasksRequest(), timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await channel.close()

    @pytest.mark.parametrize("names", [("peer_certificate_file",), ("peer_certificate_file", "peer_key_file")])
    def test_half_of_the_settings(self, own, names):
        with pytest.raises(ValidationError, match="CODEARENA_PEER_"):
            PeerSettings(**dict.fromkeys(names, own.key))


async def test_health_in_plain_text_beside_mutual_tls(authority):
    """Probes of Kubernetes carry no certificate."""
    settings = files(authority.sign("server"), authority.itself)
    async with (
        served(**settings, health_port=0, token="t") as env,
        grpc.aio.insecure_channel(f"127.0.0.1:{env.server.health_port}") as channel,
    ):
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EnvServiceStub(channel).ListTasks(wire.ListTasksRequest(), timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def secure(env, authority):
    credentials = grpc.ssl_channel_credentials(authority.itself.certificate.read_bytes())
    return grpc.aio.secure_channel(env.address, credentials)


async def ask_stub(channel):
    return await EnvServiceStub(channel).ListTasks(wire.ListTasksRequest(), timeout=30)


async def _awaited(call):
    return await call


def strange(certificate):
    """Has a certificate's key be on a curve that nobody knows."""
    known, unknown = (b"\x2a\x86\x48\xce\x3d\x03\x01" + bytes([last]) for last in (7, 99))
    made = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    certificate.write_text(ssl.DER_cert_to_PEM_cert(made.replace(known, unknown)))


def reloads(env, result):
    return env.registry.get_sample_value("codearena_certificate_reloads_total", {"result": result})


def days_left(env):
    expires = env.registry.get_sample_value("codearena_certificate_expiry_timestamp_seconds")
    return (expires - datetime.datetime.now(datetime.UTC).timestamp()) / 86400
