import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Suspense, lazy, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { getHealth } from "./api/client";
import { ApiError } from "./api/errors";
import { isTokenOfUse, onToken, setTokenWanted } from "./api/token";
import { ErrorBoundary } from "./ui/ErrorBoundary";
import { ShortcutsDialog, TokenDialog } from "./ui/dialogs";
import { Icon, type IconName } from "./ui/icons";
import { Badge, Loading } from "./ui/pieces";
import { setTheme, useTheme, type Theme } from "./ui/theme";

const ArenaPage = lazy(() => import("./pages/arena/ArenaPage"));
const SandboxPage = lazy(() => import("./pages/sandbox/SandboxPage"));
const TrainingPage = lazy(() => import("./pages/training/TrainingPage"));
const OperationsPage = lazy(() => import("./pages/operations/OperationsPage"));

const PAGES: readonly (readonly [path: string, title: string, icon: IconName])[] = [
  ["/arena", "Arena", "arena"],
  ["/sandbox", "Sandbox", "terminal"],
  ["/training", "Training", "chart"],
  ["/operations", "Operations", "pulse"],
];

const THEMES: Record<Theme, { next: Theme; icon: IconName; text: string }> = {
  system: { next: "light", icon: "auto", text: "the system's" },
  light: { next: "dark", icon: "sun", text: "light" },
  dark: { next: "system", icon: "moon", text: "dark" },
};

function ThemeButton() {
  const theme = useTheme();
  const { next, icon, text } = THEMES[theme];
  const label = `Theme: ${text}. Change to ${THEMES[next].text}.`;
  return (
    <button type="button" className="btn quiet icon" aria-label={label} title={label} onClick={() => setTheme(next)}>
      <Icon name={icon} />
    </button>
  );
}

function TokenButton() {
  const ofUse = useSyncExternalStore(onToken, isTokenOfUse);
  if (!ofUse) return null;
  return (
    <button type="button" className="btn quiet icon" aria-label="Access token" title="Access token" onClick={() => setTokenWanted(true)}>
      <Icon name="key" />
    </button>
  );
}

function Health() {
  const health = useQuery({ queryKey: ["health"], queryFn: ({ signal }) => getHealth(signal), refetchInterval: 15_000, retry: false });
  if (health.isPending) return null;
  if (health.isSuccess && health.data.status === "healthy") {
    return (
      <Badge tone="pass" icon="check">
        connected
      </Badge>
    );
  }
  if (health.error instanceof ApiError && health.error.status === 401) {
    return (
      <Badge tone="warn" icon="key">
        token needed
      </Badge>
    );
  }
  return (
    <Badge tone="fail" icon="cross">
      {health.isSuccess ? "unhealthy" : "no gateway"}
    </Badge>
  );
}

function NotFound() {
  return (
    <div className="state">
      <h1 tabIndex={-1}>There is no such page</h1>
      <p>The address may be mistyped, or the page may have moved. What there is:</p>
      <nav className="row" aria-label="Pages">
        {PAGES.map(([path, title]) => (
          <Link key={path} href={path} className="btn">
            {title}
          </Link>
        ))}
      </nav>
    </div>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

/** Names the tab after the page, and brings the focus to a new page's heading. */
function useRouteFocus(page: string): void {
  const first = useRef(true);
  useEffect(() => {
    const title = PAGES.find(([path]) => path === page)?.[1];
    document.title = title ? `${title} – CodeArena` : "CodeArena";
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo(0, 0);
    // The page's code may still be on its way.
    let tries = 0;
    const timer = setInterval(() => {
      const heading = document.querySelector<HTMLElement>("main h1");
      tries += 1;
      if (heading) heading.focus({ preventScroll: true });
      if (heading || tries > 40) clearInterval(timer);
    }, 50);
    return () => clearInterval(timer);
  }, [page]);
}

export function App() {
  const [location] = useLocation();
  const page = `/${location.split("/")[1] ?? ""}`;
  const [help, setHelp] = useState(false);
  const queries = useQueryClient();
  useRouteFocus(page);

  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      setHelp(true);
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);

  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <Link href="/arena" className="brand">
          <Icon name="arena" size={22} /> CodeArena
        </Link>
        <nav className="nav" aria-label="Pages">
          {PAGES.map(([path, title, icon]) => (
            <Link key={path} href={path} aria-current={page === path ? "page" : undefined}>
              <Icon name={icon} /> {title}
            </Link>
          ))}
        </nav>
        <div className="tools">
          <Health />
          <TokenButton />
          <ThemeButton />
          <button type="button" className="btn quiet icon" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setHelp(true)}>
            <Icon name="help" />
          </button>
        </div>
      </header>
      <main id="main" className="main" tabIndex={-1}>
        <ErrorBoundary resetKey={page}>
          <Suspense key={page} fallback={<Loading what="the page" />}>
            <Switch>
              <Route path="/">
                <Redirect to="/arena" replace />
              </Route>
              <Route path="/arena/*?">
                <ArenaPage />
              </Route>
              <Route path="/sandbox">
                <SandboxPage />
              </Route>
              <Route path="/training">
                <TrainingPage />
              </Route>
              <Route path="/operations">
                <OperationsPage />
              </Route>
              <Route>
                <NotFound />
              </Route>
            </Switch>
          </Suspense>
        </ErrorBoundary>
      </main>
      <div id="announcer" className="sr" aria-live="polite" role="status" />
      <ShortcutsDialog open={help} onClose={() => setHelp(false)} />
      <TokenDialog onSaved={() => void queries.invalidateQueries()} />
    </div>
  );
}
