/** The first character of sealed texts and groups. No JSON text begins with it. */
export const SEAL = '~';

/** The shortest sealed group: 16 bytes as base64url. */
const SEALED_GROUP = /^~[\w-]{22,}$/;

/** Whether the text of a property is sealed, so that only its own decorator can read it. */
export function isSealedText(text: string): boolean {
  return text.startsWith(SEAL);
}

/** Whether a group has the form of a sealed one. */
export function isSealedGroup(group: string): boolean {
  return SEALED_GROUP.test(group);
}
