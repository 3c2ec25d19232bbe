"""The dashboard in a real browser, against the real stack."""

import re
import shutil
import uuid

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright, expect

from codearena import AsyncArenaClient
from services.gateway.settings import DASHBOARD
from tests.conftest import require
from tests.gateway.conftest import RIGHT, WRONG, running_gateway

WAIT = 30_000
PAGES = {
    "arena": "/arena",
    "task": "/arena/easy-1",
    "sandbox": "/sandbox",
    "training": "/training",
    "operations": "/operations",
    "nothing": "/arena/no-such-task",
}
SIZES = {"wide": (1440, 900), "narrow": (360, 780)}


@pytest.fixture(scope="module")
def url(served, tmp_path_factory):
    require("dashboard", (DASHBOARD / "index.html").is_file(), "the dashboard is not built: make dashboard")
    settings = {"CODEARENA_DASHBOARD": str(DASHBOARD), "CODEARENA_REQUESTS_PER_SECOND": "0"}
    with running_gateway(served, tmp_path_factory.mktemp("page"), **settings) as running:
        yield running.url


@pytest.fixture(scope="module")
async def browser():
    program = shutil.which("chromium")
    require("chromium", program is not None, "there is no chromium on this machine")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        await running.close()


class Opened:
    """A page, and what it complained of."""

    def __init__(self, page):
        self.page = page
        self.complaints = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(WAIT)

    async def write(self, name, text):
        """Puts a text into an editor, as somebody does who selects all and pastes."""
        editor = self.page.get_by_role("textbox", name=name)
        await editor.click()
        await self.page.keyboard.press("Control+a")
        await self.page.keyboard.press("Delete")
        await self.page.keyboard.insert_text(text)

    def part(self, testid):
        return self.page.get_by_test_id(testid).first


@pytest.fixture
async def opened(browser, url):
    context = await browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
    yield Opened(await context.new_page())
    await context.close()


async def reward(opened):
    await expect(opened.part("reward-value")).to_contain_text("0.", timeout=WAIT)
    text = await opened.part("reward-value").inner_text()
    found = re.search(r"\d\.\d+", text)
    return float(found[0]) if found else None


async def test_an_episode_is_played(opened):
    await opened.page.goto("/arena/easy-1")
    await opened.write("Your fix", WRONG)
    await opened.part("step-button").click()
    await expect(opened.part("terminal")).to_contain_text("expected", timeout=WAIT)
    await expect(opened.part("test-list")).to_contain_text("empty", timeout=WAIT)
    low = await reward(opened)
    assert 0 < low < 0.7

    await opened.write("Your fix", RIGHT)
    await opened.page.keyboard.press("Control+Enter")
    await expect(opened.part("reward-value")).to_contain_text("0.9", timeout=WAIT)
    assert await reward(opened) > 0.9
    address = opened.page.url
    assert "episode=" in address

    await opened.page.goto(address)
    await expect(opened.part("reward-value")).to_contain_text("0.9", timeout=WAIT)
    await expect(opened.part("attempts")).to_contain_text("0.9")
    assert opened.complaints == []


async def test_the_agent_repairs_by_itself(opened):
    await opened.page.goto("/arena/type_errors-1")
    await opened.part("agent-start").click()
    await expect(opened.part("reward-value")).to_contain_text("0.9", timeout=2 * WAIT)
    await expect(opened.part("agent-start")).to_be_visible(timeout=WAIT)
    assert opened.complaints == []


async def test_a_proposal_comes_into_the_editor(opened):
    await opened.page.goto("/arena/easy-1")
    await opened.part("ai-fix-button").click()
    await expect(opened.page.get_by_role("textbox", name="Your fix")).to_contain_text(
        "average_list(numbers):", timeout=WAIT
    )
    await opened.part("step-button").click()
    await expect(opened.part("attempts")).to_contain_text("0.", timeout=WAIT)
    assert opened.complaints == []


async def test_any_code_runs_in_the_sandbox_and_its_output_is_text(opened):
    await opened.page.goto("/sandbox")
    await opened.write("Program", "print('<img src=x onerror=alert(1)>', 6 * 7)")
    await opened.part("run-button").click()
    await expect(opened.part("stdout")).to_contain_text("<img src=x onerror=alert(1)> 42", timeout=WAIT)
    assert await opened.page.locator("img[src=x]").count() == 0
    assert opened.complaints == []


async def test_a_training_run_is_watched_live(opened, served):
    run_id = f"run-{uuid.uuid4().hex[:8]}"
    async with AsyncArenaClient(served.address) as client:

        async def play(fix):
            async with await client.reset("easy-1", run_id=run_id) as episode:
                await episode.step(fix, method="policy")

        await play(WRONG)
        await opened.page.goto(f"/training?run={run_id}")
        summary = opened.part("run-summary")
        await expect(summary).to_contain_text(re.compile(r"Episodes\s*1\s*Steps"), timeout=WAIT)
        for _ in range(3):
            await play(RIGHT)
        await expect(summary).to_contain_text(re.compile(r"Episodes\s*4\s*Steps"), timeout=WAIT)
        await expect(opened.part("connection")).to_contain_text("live")
        await expect(opened.part("chart-reward")).to_contain_text("4 episodes")
    assert opened.complaints == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
async def test_every_page_is_accessible_quiet_and_fits(browser, url, name, size):
    width, height = SIZES[size]
    for scheme in ("light", "dark"):
        context = await browser.new_context(
            base_url=url, viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        opened = Opened(await context.new_page())
        await opened.page.goto(PAGES[name])
        await opened.page.get_by_role("main").wait_for()
        await opened.page.wait_for_load_state("networkidle") if name != "training" else None
        found = await Axe().run(opened.page)
        serious = [each for each in found.response["violations"] if each["impact"] in {"serious", "critical"}]
        assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
        assert await opened.page.evaluate("document.documentElement.scrollWidth") <= width
        expected = ["404"] if name == "nothing" else []
        assert [text for text in opened.complaints if not any(known in text for known in expected)] == []
        await context.close()


async def test_the_page_asks_for_a_token_and_uses_it(browser, served, tmp_path):
    require("dashboard", (DASHBOARD / "index.html").is_file(), "the dashboard is not built: make dashboard")
    with running_gateway(served, tmp_path, CODEARENA_DASHBOARD=str(DASHBOARD), CODEARENA_TOKEN="sesame") as guarded:
        context = await browser.new_context(base_url=guarded.url)
        opened = Opened(await context.new_page())
        await opened.page.goto("/arena")
        await opened.page.get_by_role("dialog").get_by_role("textbox").fill("sesame")
        await opened.page.keyboard.press("Enter")
        await expect(opened.page.get_by_text("Maximum subarray sum")).to_be_visible(timeout=WAIT)
        await context.close()
