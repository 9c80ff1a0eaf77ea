/** When React is told of what came in: at most once a frame, however fast events arrive. */
export interface FrameScheduler {
  /** Runs `task` once, at the next frame; returns its undo. */
  schedule(task: () => void): () => void;
}

/** A hidden page, and a terminal, has no frames. */
const LONGEST_FRAME_MS = 250;

/** The display's frames where there are any, a timer where there are none. */
export const frameScheduler: FrameScheduler = {
  schedule(task) {
    const hasFrames = typeof requestAnimationFrame === 'function';
    let frame: number | undefined;
    const cancel = (): void => {
      clearTimeout(timer);
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
    const run = (): void => {
      cancel();
      task();
    };
    const timer = setTimeout(run, hasFrames ? LONGEST_FRAME_MS : 16);
    if (hasFrames) frame = requestAnimationFrame(run);
    return cancel;
  },
};
