const LEVELS = ["easy", "medium", "hard", "expert"];

/** Four bars and the word. */
export function Difficulty({ level }: { level: string }) {
  const place = LEVELS.indexOf(level);
  return (
    <span className="difficulty">
      {place >= 0 && (
        <svg width="17" height="11" viewBox="0 0 17 11" aria-hidden="true" focusable="false">
          {LEVELS.map((name, index) => (
            <rect key={name} x={index * 4.5} y={8 - index * 2.500} width="3" height={3 + index * 2.500} rx="0.500" className={index <= place ? "on" : "off"} />
          ))}
        </svg>
      )}
      {level}
    </span>
  );
}
