/** Roles a token may carry, least to most able. */
export const ROLES = ['observer', 'member', 'agent', 'publisher', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}
