import { toast } from 'sonner';

/** Puts text on the clipboard and says so. Browsers offer it only over TLS and on loopback. */
export async function copyText(text: string, said: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast.success(said);
  } catch {
    toast.error('The browser does not allow copying here. Open the dashboard over HTTPS or on localhost.');
  }
}
