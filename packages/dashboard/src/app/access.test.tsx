// @vitest-environment happy-dom
/// <reference types="vite/client" />
import { act, type ReactNode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Access, useAccess } from './access.ts';
import { SignIn } from './sign-in.tsx';

let root: Root;
let access: Access;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  window.sessionStorage.clear();
  window.location.hash = '';
  root = createRoot(document.body.appendChild(document.createElement('div')));
});

afterEach(() => {
  act(() => root.unmount());
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

function renderAccess(): void {
  function Probe(): ReactNode {
    access = useAccess();
    return null;
  }
  act(() => root.render(<Probe />));
}

test('the token leaves the address at once and outlives a reload of the tab', () => {
  window.location.hash = '#token=abc.def';
  renderAccess();
  expect(access.token).toBe('abc.def');
  expect(window.location.href).not.toContain('abc.def');
  expect(window.sessionStorage.getItem('millrace.token')).toBe('abc.def');
  expect(window.localStorage).toHaveLength(0);
});

test('a fresh link in an open tab brings its token', () => {
  renderAccess();
  expect(access.token).toBeUndefined();
  act(() => {
    window.location.hash = '#token=fresh';
    window.dispatchEvent(new Event('hashchange'));
  });
  expect(access.token).toBe('fresh');
});

test('signing out forgets the token and keeps the reason', () => {
  window.sessionStorage.setItem('millrace.token', 'old');
  renderAccess();
  expect(access.token).toBe('old');
  act(() => access.signOut('expired'));
  expect(access).toMatchObject({ token: undefined, refusal: 'expired' });
  expect(window.sessionStorage).toHaveLength(0);
});

test('the panel says why, and hands over what was typed', () => {
  const onSignIn = vi.fn();
  act(() => root.render(<SignIn refusal="This token has expired." onSignIn={onSignIn} />));
  expect(document.querySelector('[role=alert]')?.textContent).toBe('This token has expired.');
  const input = document.querySelector('input')!;
  const button = document.querySelector('button')!;
  expect(button.disabled).toBe(true);
  act(() => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, ' abc ');
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
  act(() => button.click());
  expect(onSignIn).toHaveBeenCalledWith('abc');
});
