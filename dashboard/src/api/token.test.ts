import { beforeEach, describe, expect, it } from "vitest";
import { getToken, isTokenOfUse, isTokenWanted, onToken, setToken, setTokenWanted, tokenRefused } from "./token";

describe("access token", () => {
  beforeEach(() => setToken(""));
  it("is asked for after a refusal, and once", () => {
    let told = 0;
    const forget = onToken(() => (told += 1));
    tokenRefused();
    tokenRefused();
    forget();
    expect(isTokenWanted()).toBe(true);
    expect(isTokenOfUse()).toBe(true);
    expect(told).toBe(1);
  });
  it("is not asked for again by itself when the dialog was closed", () => {
    tokenRefused();
    setTokenWanted(false);
    tokenRefused();
    expect(isTokenWanted()).toBe(false);
    setTokenWanted(true);
    expect(isTokenWanted()).toBe(true);
  });
  it("that is refused is asked for anew", () => {
    tokenRefused();
    setToken(" wrong ");
    expect(getToken()).toBe("wrong");
    expect(isTokenWanted()).toBe(false);
    tokenRefused();
    expect(isTokenWanted()).toBe(true);
  });
});
