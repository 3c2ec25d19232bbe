import type { ReactNode } from "react";

const PATHS = {
  check: <path d="m4 12.500 5 5L20 6.500" />,
  cross: <path d="M6 6l12 12M18 6 6 18" />,
  warn: <path d="M12 4 2.500 20h19L12 4zm0 6v5m0 2.500v.5" />,
  play: <path d="M7 4.500v15l12-7.500z" />,
  stop: <path d="M6 6h12v12H6z" />,
  spark: <path d="M12 3l2.100 6.900L21 12l-6.900 2.100L12 21l-2.100-6.900L3 12l6.900-2.100z" />,
  loop: <path d="M4 11a8 8 0 0 1 14-4.500L20 9m0-5v5h-5M20 13a8 8 0 0 1-14 4.500L4 15m0 5v-5h5" />,
  bulb: <path d="M9 18h6m-5 3h4M8.500 15a6 6 0 1 1 7 0c-.6.5-.8 1-.8 1.700v.3H9.300v-.3c0-.7-.2-1.200-.8-1.700z" />,
  arena: <path d="M9 4H5v16h4M15 4h4v16h-4M9 12l2.200 2.300L15 10" />,
  terminal: <path d="M4 5h16v14H4zM7.500 9.500l3 2.500-3 2.500m5.500.5h4" />,
  chart: <path d="M4 4v16h16M7.500 15l4-4.500 3 2.500L19.500 7" />,
  pulse: <path d="M3 12h4l2.500-7 5 14 2.500-7h4" />,
  sun: <path d="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm0-5v2m0 14v2M3 12h2m14 0h2M5.600 5.600 7 7m10 10 1.400 1.400m0-12.800L17 7M7 17l-1.400 1.400" />,
  moon: <path d="M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z" />,
  auto: <path d="M12 3.500a8.500 8.500 0 1 0 0 17zm0 0a8.500 8.500 0 0 1 0 17" />,
  help: <path d="M9 9.200a3 3 0 1 1 4.300 2.700c-.9.500-1.300 1-1.300 2.100m0 3v.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z" />,
  key: <path d="M14.500 4a5.500 5.500 0 0 0-5.200 7.300L3.500 17v3.500H7V18h2.500v-2.500H11l1.300-1.300A5.500 5.500 0 1 0 14.500 4zm1.300 4.200v.2" />,
  lock: <path d="M6 11h12v9H6zm2.500 0V8a3.500 3.500 0 0 1 7 0v3" />,
  list: <path d="M8 6h12M8 12h12M8 18h12M4 6h.1M4 12h.1M4 18h.1" />,
  minus: <path d="M5 12h14" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={2}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
      style={{ flex: "none" }}
    >
      {PATHS[name]}
    </svg>
  );
}
