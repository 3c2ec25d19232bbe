import type { Observation, TestResult, VisibleTest } from "../../api/types";
import { plural, seconds } from "../../lib/format";
import { Icon } from "../../ui/icons";
import { Badge, Panel } from "../../ui/pieces";

function Details({ test }: { test: TestResult }) {
  if (test.hidden) return test.message ? <p className="small muted break">{test.message}</p> : null;
  return (
    <dl className="values mono">
      {test.call && (
        <>
          <dt>call</dt>
          <dd>{test.call}</dd>
        </>
      )}
      {test.expected && (
        <>
          <dt>expected</dt>
          <dd>{test.expected}</dd>
        </>
      )}
      {!test.passed && test.actual && (
        <>
          <dt>actual</dt>
          <dd>{test.actual}</dd>
        </>
      )}
      {test.message && (
        <>
          <dt>message</dt>
          <dd>{test.message}</dd>
        </>
      )}
    </dl>
  );
}

interface Props {
  observation: Observation | null;
  visible: readonly VisibleTest[];
  hiddenCount: number;
}

export function TestsPanel({ observation, visible, hiddenCount }: Props) {
  const results = observation?.test_results ?? [];
  const failed = results.filter((test) => !test.passed).length;
  return (
    <Panel
      title="Tests"
      flush
      aside={
        results.length > 0 && observation ? (
          <span className="row">
            <Badge tone={failed === 0 ? "pass" : "fail"} icon={failed === 0 ? "check" : "cross"}>
              {observation.tests_passed} of {observation.tests_total} passed
            </Badge>
          </span>
        ) : (
          <span className="small muted">
            {visible.length} visible, {hiddenCount} hidden
          </span>
        )
      }
    >
      <ul className="tests" data-testid="test-list" aria-label="Test results">
        {results.length > 0
          ? [...results]
              .sort((a, b) => Number(a.passed) - Number(b.passed))
              .map((test, index) => (
                <li key={`${index}${test.name}`} className={test.passed ? "pass" : "fail"}>
                  <Icon name={test.passed ? "check" : "cross"} size={15} />
                  <div className="grow">
                    <p className="row spread">
                      <span className="break">
                        <strong>{test.name}</strong> <span className="sr">{test.passed ? "passed" : "failed"}</span>
                        {test.hidden && <span className="hidden-mark">hidden</span>}
                      </span>
                      {test.cpu_seconds !== null && test.cpu_seconds > 0 && <span className="small muted num">{seconds(test.cpu_seconds)}</span>}
                    </p>
                    {!test.passed && <Details test={test} />}
                  </div>
                </li>
              ))
          : visible.map((test) => (
              <li key={test.name}>
                <Icon name="minus" size={15} />
                <div className="grow">
                  <strong>{test.name}</strong>
                  <p className="mono small break">
                    {test.call} <span className="muted">→</span> {test.expected}
                  </p>
                </div>
              </li>
            ))}
        {results.length === 0 && hiddenCount > 0 && (
          <li>
            <Icon name="lock" size={15} />
            <span className="muted">and {plural(hiddenCount, "hidden test")}</span>
          </li>
        )}
      </ul>
    </Panel>
  );
}
