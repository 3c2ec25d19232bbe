"""Takes the pictures of docs/dashboard.md from a dashboard that serves: tools/screenshots.py [URL].

Plays one episode and watches the run that was active last, so that there is something to see.
"""

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import Page, async_playwright

OUT = Path(__file__).parents[1] / "docs" / "images"
SIZES = {"wide": (1440, 900), "narrow": (360, 780)}
PAGES = {"arena": "/arena/easy-1", "sandbox": "/sandbox", "training": "/training", "operations": "/operations"}
WAIT = 60_000


async def prepare(name: str, page: Page) -> None:
    """Does what makes a page worth a picture."""
    if name == "arena":
        await page.get_by_test_id("agent-start").first.click()
        await page.get_by_test_id("reward-value").first.get_by_text("0.9").wait_for(timeout=WAIT)
        await page.get_by_test_id("agent-start").first.wait_for(timeout=WAIT)
    elif name == "sandbox":
        await page.get_by_test_id("run-button").first.click()
        await page.get_by_test_id("stdout").first.wait_for()
    await page.wait_for_timeout(1500)
    await page.mouse.move(0, 0)


async def main(url: str) -> None:
    """Takes every picture."""
    OUT.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size, (width, height) in SIZES.items():
            for name, path in PAGES.items():
                scheme = "dark" if name == "training" else "light"
                context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                page = await context.new_page()
                await page.goto(url + path)
                await prepare(name, page)
                await page.screenshot(path=OUT / f"dashboard-{name}-{size}.png")
                await context.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"))
