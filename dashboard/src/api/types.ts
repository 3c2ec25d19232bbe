/** What the gateway sends and takes. */

export type Difficulty = string;
export type Split = string;

export interface TaskSummary {
  task_id: string;
  title: string;
  category: string;
  difficulty: Difficulty;
  function_name: string;
  hidden_test_count: number;
  split: Split;
}

export interface TaskPage {
  tasks: TaskSummary[];
  next_page_token: string;
  total_count: number;
}

export interface VisibleTest {
  name: string;
  call: string;
  expected: string;
}

export interface TaskDetail extends TaskSummary {
  description: string;
  buggy_code: string;
  modules: Record<string, string>;
  visible_tests: VisibleTest[];
}

export interface TestResult {
  name: string;
  passed: boolean;
  hidden: boolean;
  call: string;
  expected: string;
  actual: string;
  message: string;
  cpu_seconds: number | null;
}

export interface Attempt {
  step: number;
  proposed_fix: string;
  reward: number;
  outcome: string;
  tests_passed: number;
}

export interface RewardBreakdown {
  components: Record<string, number>;
  weights: Record<string, number>;
  penalties: Record<string, number>;
  profile: string;
}

export interface Observation {
  episode_id: string;
  task_id: string;
  title: string;
  description: string;
  category: string;
  difficulty: Difficulty;
  function_name: string;
  buggy_code: string;
  modules: Record<string, string>;
  error_log: string;
  test_results: TestResult[];
  tests_passed: number;
  tests_total: number;
  hidden_test_count: number;
  visible_tests: VisibleTest[];
  previous_attempts: Attempt[];
  hint: string | null;
  regression: string | null;
  step: number;
  max_steps: number;
  outcome: string | null;
  reward_breakdown: RewardBreakdown | null;
  judge_source: string;
  complexity: Record<string, unknown> | null;
  violations: string[];
  done: boolean;
  reward: number | null;
  metadata?: Record<string, unknown>;
}

export interface StepResponse {
  observation: Observation;
  reward: number | null;
  done: boolean;
}

export interface EpisodeState {
  episode_id: string;
  step_count: number;
  task_id: string;
  difficulty: Difficulty;
  run_id: string;
  done: boolean;
  best_reward: number | null;
  max_steps: number;
  observation: Observation;
}

export interface FixResponse {
  fixed_code: string;
  method: string;
  explanations: string[];
  diff: string;
}

export interface RunResult {
  outcome: string;
  stdout: string;
  stderr: string;
  exit_code: number | null;
  cpu_seconds: number | null;
  wall_seconds: number | null;
  peak_memory_bytes: number | null;
  complexity: { time: string; space?: string; cyclomatic?: number | null } | null;
  violations: string[];
}

export interface RunSummary {
  run_id: string;
  weight: number;
  episode_count: number;
  open_episode_count: number;
  step_count: number;
  mean_reward: number | null;
  last_active_at: string | null;
}

export interface Step {
  episode_id: string;
  run_id: string;
  task_id: string;
  category: string;
  difficulty: Difficulty;
  step: number;
  reward: number;
  outcome: string;
  tests_passed: number;
  repeated: boolean;
  time_complexity: string;
  method: string;
  solved: boolean;
  created_at: string;
}

export interface CurriculumMove {
  episode: number;
  from_level: string;
  to_level: string;
  mean_reward: number;
  reason: string;
}

export interface Curriculum {
  level: string;
  levels: string[];
  window: number[];
  mean_reward: number | null;
  episode_count: number;
  moves: CurriculumMove[];
  explanation: string;
}

export interface StatsTable {
  name: string;
  rows: {
    key: string;
    episode_count: number;
    step_count: number;
    mean_reward: number;
    solve_rate: number | null;
    mean_steps_to_solve: number | null;
    repeat_rate: number;
  }[];
}

type Counts = Record<string, number>;

export interface ServiceHealth {
  name: string;
  status: string;
  version: string | null;
  detail: string | null;
}

export interface Operations {
  services: ServiceHealth[] | null;
  sandbox: {
    backend: string | null;
    pool: { warming: number; idle: number; leased: number } | null;
    slots: { busy: number; free: number } | null;
    queue_depth: number | null;
    canaries: Record<string, boolean> | null;
  } | null;
  judge: {
    requests: Counts | null;
    tokens: Counts | null;
    cost_usd: number | null;
    fallbacks: Counts | null;
  } | null;
  outcomes: Counts | null;
  violations: Counts | null;
  sessions: { active: number; max: number } | null;
  steps: number | null;
  episodes_active: number | null;
}
