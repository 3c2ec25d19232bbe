"""`python -m services.gateway`: HTTP and WebSocket in front of an env service."""

from services.common.main import run
from services.common.server import until_terminated
from services.gateway.service import gateway
from services.gateway.settings import GatewaySettings


async def _serve(settings: GatewaySettings) -> None:
    async with gateway(settings):
        await until_terminated()


if __name__ == "__main__":
    run("gateway", "OpenEnv server and dashboard of CodeArena. Ends at Ctrl-C or SIGTERM.", GatewaySettings, _serve)
