/** What a command needs of the environment to work at all, and what tells it where it is: nothing that could be a secret. */
const HARMLESS =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LANGUAGE|LC_[A-Z]+|SystemRoot|ComSpec|PATHEXT|TEMP|TMP)$/;

/** The environment of a command: of the server's own only what is harmless, and what configuration names. */
export function environmentOf(serverEnv: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
  const passed = Object.entries(serverEnv).filter(([name]) => HARMLESS.test(name) || names.includes(name));
  return Object.fromEntries(passed);
}
