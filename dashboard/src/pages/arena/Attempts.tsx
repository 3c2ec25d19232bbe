import type { Attempt } from "../../api/types";
import { reward, words } from "../../lib/format";
import { Icon } from "../../ui/icons";

interface Props {
  attempts: readonly Attempt[];
  maxSteps: number;
  code: string;
  disabled: boolean;
  onChoose: (code: string) => void;
}

/** A place for each attempt; one that was made loads its fix. */
export function Attempts({ attempts, maxSteps, code, disabled, onChoose }: Props) {
  const places = Array.from({ length: Math.max(maxSteps, attempts.length) }, (_, index) => attempts[index] ?? null);
  return (
    <nav aria-label="Attempts">
      <ol className="attempts" data-testid="attempts">
        {places.map((attempt, index) =>
          attempt ? (
            <li key={index}>
              <button
                type="button"
                className={attempt.outcome === "passed" ? "pass" : "fail"}
                aria-pressed={attempt.proposed_fix === code}
                disabled={disabled}
                onClick={() => onChoose(attempt.proposed_fix)}
                title="Load this fix into the editor"
              >
                <span className="head">
                  <Icon name={attempt.outcome === "passed" ? "check" : "cross"} size={13} /> Attempt {attempt.step}
                </span>
                <span className="num value">{reward(attempt.reward)}</span>
                <span className="what">{words(attempt.outcome)}</span>
              </button>
            </li>
          ) : (
            <li key={index} className="open">
              <span className="head">Attempt {index + 1}</span>
              <span className="what">not made</span>
            </li>
          ),
        )}
      </ol>
    </nav>
  );
}
