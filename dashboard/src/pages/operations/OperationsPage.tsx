import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { getOperations } from "../../api/client";
import { describeError } from "../../api/errors";
import type { Operations, ServiceHealth } from "../../api/types";
import { count, words } from "../../lib/format";
import { Icon } from "../../ui/icons";
import { Badge, DataTable, Failed, Loading, Notice, Panel, type Tone } from "../../ui/pieces";
import "./operations.css";

const EVERY_MS = 4000;

const STATUS: Record<string, { tone: Tone; icon: "check" | "cross" | "warn" }> = {
  serving: { tone: "pass", icon: "check" },
  not_serving: { tone: "fail", icon: "cross" },
  unreachable: { tone: "fail", icon: "cross" },
};

function Hidden() {
  return <span className="unseen">not visible from here</span>;
}

function Unseen() {
  return <p className="muted">Not visible from here.</p>;
}

function Service({ service }: { service: ServiceHealth }) {
  const { tone, icon } = STATUS[service.status] ?? { tone: "warn" as const, icon: "warn" as const };
  return (
    <li className={`service ${tone}`}>
      <div className="row spread">
        <h2>{service.name}</h2>
        <Badge tone={tone} icon={icon}>
          {words(service.status)}
        </Badge>
      </div>
      <p className="small muted mono">{service.version ? `version ${service.version}` : "version unknown"}</p>
      {service.detail && <p className="small break">{service.detail}</p>}
    </li>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Parts of a whole, as a bar and in words. */
function Shares({ label, parts }: { label: string; parts: readonly (readonly [name: string, value: number, tone: string])[] }) {
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  return (
    <div className="shares">
      <h3>{label}</h3>
      <div className="bar" aria-hidden="true">
        {total > 0 && parts.map(([name, value, tone]) => value > 0 && <span key={name} className={tone} style={{ flexGrow: value }} />)}
      </div>
      <p className="row small">
        {parts.map(([name, value, tone]) => (
          <span key={name} className="part">
            <span className={`key ${tone}`} aria-hidden="true" /> {name} <strong className="num">{count(value)}</strong>
          </span>
        ))}
      </p>
    </div>
  );
}

function Counts({ title, counts, none }: { title: string; counts: Record<string, number> | null | undefined; none: string }) {
  if (!counts) {
    return (
      <div>
        <h3>{title}</h3>
        <Unseen />
      </div>
    );
  }
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const total = rows.reduce((sum, [, value]) => sum + value, 0);
  return (
    <div className="counts">
      <h3>{title}</h3>
      {rows.length === 0 ? (
        <p className="muted">{none}</p>
      ) : (
        <DataTable
          caption={title}
          rows={rows}
          rowKey={([name]) => name}
          columns={[
            { title: "What", cell: ([name]) => words(name) },
            {
              title: "Share",
              cell: ([, value]) => (
                <span className="meter" aria-hidden="true">
                  <span style={{ width: `${(total > 0 ? value / total : 0) * 100}%` }} />
                </span>
              ),
            },
            { title: "Count", right: true, cell: ([, value]) => count(value) },
          ]}
        />
      )}
    </div>
  );
}

function Sandbox({ sandbox }: { sandbox: Operations["sandbox"] }) {
  if (!sandbox) return <Unseen />;
  const { pool, slots } = sandbox;
  return (
    <div className="stack">
      <dl className="facts">
        <Fact name="Backend">{sandbox.backend ?? <Hidden />}</Fact>
        <Fact name="Waiting in the queue">{sandbox.queue_depth === null ? <Hidden /> : count(sandbox.queue_depth)}</Fact>
      </dl>
      {pool ? (
        <Shares
          label="Pool"
          parts={[
            ["leased", pool.leased, "a"],
            ["idle", pool.idle, "b"],
            ["warming", pool.warming, "c"],
          ]}
        />
      ) : (
        <div>
          <h3>Pool</h3>
          <Unseen />
        </div>
      )}
      {slots ? (
        <Shares
          label="Slots"
          parts={[
            ["busy", slots.busy, "a"],
            ["free", slots.free, "b"],
          ]}
        />
      ) : (
        <div>
          <h3>Slots</h3>
          <Unseen />
        </div>
      )}
    </div>
  );
}

function Canaries({ canaries }: { canaries: Record<string, boolean> | null | undefined }) {
  if (!canaries) return <Unseen />;
  const probes = Object.entries(canaries).sort(([, a], [, b]) => Number(a) - Number(b));
  if (probes.length === 0) return <p className="muted">No probe has run yet.</p>;
  return (
    <ul className="canaries">
      {probes.map(([probe, held]) => (
        <li key={probe} className={held ? "pass" : "fail"}>
          <Icon name={held ? "check" : "cross"} size={15} /> <span className="grow break">{words(probe)}</span>
          <span className="small">{held ? "held" : "broken"}</span>
        </li>
      ))}
    </ul>
  );
}

export default function OperationsPage() {
  const query = useQuery({
    queryKey: ["operations"],
    queryFn: ({ signal }) => getOperations(signal),
    refetchInterval: EVERY_MS,
    refetchOnWindowFocus: true,
    staleTime: 0,
    retry: false,
  });
  const { data } = query;
  const canaries = data?.sandbox?.canaries;
  const broken = Object.entries(canaries ?? {}).filter(([, held]) => !held);

  return (
    <>
      <header className="pagehead">
        <div>
          <h1 tabIndex={-1}>Operations</h1>
          <p>How the services are, and what they have been doing. Refreshed every {EVERY_MS / 1000} seconds while you look.</p>
        </div>
        <span className="row small muted">
          {query.dataUpdatedAt > 0 && <span className="num">as of {new Date(query.dataUpdatedAt).toLocaleTimeString()}</span>}
          <button type="button" className="btn slim" disabled={query.isFetching} onClick={() => void query.refetch()}>
            <Icon name="loop" size={13} /> Refresh
          </button>
        </span>
      </header>
      {query.isPending && <Loading what="the state of the services" />}
      {query.isError && !data && <Failed what="The gateway did not tell" error={query.error} onRetry={() => void query.refetch()} />}
      {data && (
        <div className="operations" data-testid="operations">
          {query.isError && (
            <div role="alert" className="wide">
              <Notice tone="fail">
                <Icon name="warn" />
                <span className="grow">
                  {describeError(query.error)} What is shown is from {new Date(query.dataUpdatedAt).toLocaleTimeString()}; it is asked for again.
                </span>
              </Notice>
            </div>
          )}
          {broken.length > 0 && (
            <div role="alert" className="wide">
              <Notice tone="fail">
                <Icon name="warn" />
                <span className="grow">
                  <strong>The isolation does not hold.</strong> Broken: {broken.map(([probe]) => words(probe)).join(", ")}.
                </span>
              </Notice>
            </div>
          )}
          <section className="wide" aria-label="Services">
            {data.services ? (
              <ul className="services">
                {data.services.map((service) => (
                  <Service key={service.name} service={service} />
                ))}
              </ul>
            ) : (
              <Unseen />
            )}
          </section>
          <Panel title="Activity" className="wide">
            <dl className="facts">
              <Fact name="Open sessions">
                {data.sessions ? `${count(data.sessions.active)} of ${count(data.sessions.max)}` : <Hidden />}
              </Fact>
              <Fact name="Open episodes">{data.episodes_active === null ? <Hidden /> : count(data.episodes_active)}</Fact>
              <Fact name="Steps">{data.steps === null ? <Hidden /> : count(data.steps)}</Fact>
            </dl>
          </Panel>
          <Panel title="Sandbox">
            <Sandbox sandbox={data.sandbox} />
          </Panel>
          <Panel
            title="Isolation canaries"
            aside={
              canaries &&
              Object.keys(canaries).length > 0 && (
                <Badge tone={broken.length > 0 ? "fail" : "pass"} icon={broken.length > 0 ? "cross" : "check"}>
                  {broken.length > 0 ? `${broken.length} broken` : "all hold"}
                </Badge>
              )
            }
          >
            <Canaries canaries={canaries} />
          </Panel>
          <Panel title="Judge">
            {data.judge ? (
              <div className="stack">
                <dl className="facts">
                  <Fact name="Cost">{data.judge.cost_usd === null ? <Hidden /> : `$${data.judge.cost_usd.toFixed(4)}`}</Fact>
                  {Object.entries(data.judge.tokens ?? {}).map(([direction, value]) => (
                    <Fact key={direction} name={`Tokens, ${words(direction)}`}>
                      {count(value)}
                    </Fact>
                  ))}
                </dl>
                <Counts title="Requests" counts={data.judge.requests} none="No request yet." />
                <Counts title="Fallbacks" counts={data.judge.fallbacks} none="No fallback so far." />
              </div>
            ) : (
              <Unseen />
            )}
          </Panel>
          <Panel title="Outcomes and violations">
            <div className="stack">
              <Counts title="Outcomes" counts={data.outcomes} none="Nothing has run yet." />
              <Counts title="Violations" counts={data.violations} none="No violation so far." />
            </div>
          </Panel>
        </div>
      )}
    </>
  );
}
