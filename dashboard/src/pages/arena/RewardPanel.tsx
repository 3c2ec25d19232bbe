import type { Observation, RewardBreakdown } from "../../api/types";
import { reward, words } from "../../lib/format";
import { Panel } from "../../ui/pieces";

const NAMES: Record<string, string> = {
  compile_score: "Compiles",
  test_pass_ratio: "Tests passed",
  efficiency_score: "Efficiency",
  llm_correctness: "Judged correctness",
  llm_security: "Judged security",
  llm_quality: "Judged quality",
};

function nameOf(component: string): string {
  return NAMES[component] ?? words(component);
}

const RADIUS = 70;
const LENGTH = Math.PI * RADIUS;

function Gauge({ value }: { value: number | null }) {
  const share = Math.min(Math.max(value ?? 0, 0), 1);
  return (
    <div className="gauge" role="meter" aria-label="Reward" aria-valuemin={0} aria-valuemax={1} aria-valuenow={share} aria-valuetext={value === null ? "no reward yet" : reward(value)}>
      <svg viewBox="0 0 180 98" aria-hidden="true" focusable="false">
        <path d={`M20 90a${RADIUS} ${RADIUS} 0 0 1 140 0`} className="rest" />
        {value !== null && share > 0 && <path d={`M20 90a${RADIUS} ${RADIUS} 0 0 1 140 0`} className="part" strokeDasharray={`${share * LENGTH} ${LENGTH}`} />}
      </svg>
      <strong className="num" data-testid="reward-value">
        {reward(value)}
      </strong>
    </div>
  );
}

function Breakdown({ breakdown }: { breakdown: RewardBreakdown }) {
  const rows = Object.entries(breakdown.components);
  const penalties = Object.entries(breakdown.penalties).filter(([, value]) => value !== 0);
  return (
    <table className="table breakdown">
      <caption className="sr">Reward by component: score times weight, less penalties</caption>
      <thead>
        <tr>
          <th scope="col">Component</th>
          <th scope="col" className="r">
            Score × weight
          </th>
          <th scope="col" className="r">
            Gives
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, score]) => {
          const weight = breakdown.weights[name] ?? 0;
          return (
            <tr key={name}>
              <th scope="row">
                {nameOf(name)}
                <span className="bar" aria-hidden="true">
                  <span style={{ width: `${Math.min(Math.max(score, 0), 1) * 100}%` }} />
                </span>
              </th>
              <td className="r muted">
                {score.toFixed(2)} × {weight.toFixed(2)}
              </td>
              <td className="r">{(score * weight).toFixed(3)}</td>
            </tr>
          );
        })}
        {penalties.map(([name, value]) => (
          <tr key={name} className="penalty">
            <th scope="row">Penalty: {words(name)}</th>
            <td />
            <td className="r">−{Math.abs(value).toFixed(3)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function RewardPanel({ observation }: { observation: Observation | null }) {
  const breakdown = observation?.reward_breakdown ?? null;
  const best = Math.max(...(observation?.previous_attempts ?? []).map((attempt) => attempt.reward));
  const value = observation?.reward ?? observation?.previous_attempts.at(-1)?.reward ?? null;
  return (
    <Panel title="Reward" aside={breakdown && <span className="small muted">profile {breakdown.profile}</span>}>
      <Gauge value={value} />
      {Number.isFinite(best) && (
        <p className="small muted best">
          best of the episode {reward(best)}
          {observation?.judge_source && ` · judge: ${observation.judge_source}`}
        </p>
      )}
      {breakdown ? (
        <Breakdown breakdown={breakdown} />
      ) : (
        <p className="small muted best">The first step shows what the reward is made of.</p>
      )}
    </Panel>
  );
}
