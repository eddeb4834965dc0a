// Sounds the page makes itself: the ring and the tone of the headset test. No files, no network.
let context = null;

export function audioContext() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => {});
  return context;
}

function tone(output, hertz, from, length, level = 0.12) {
  const source = output.context.createOscillator();
  const gain = output.context.createGain();
  source.frequency.value = hertz;
  gain.gain.setValueAtTime(0, from);
  gain.gain.linearRampToValueAtTime(level, from + 0.03);
  gain.gain.setValueAtTime(level, from + length - 0.05);
  gain.gain.linearRampToValueAtTime(0, from + length);
  source.connect(gain).connect(output);
  source.start(from);
  source.stop(from + length);
  return source;
}

/** Rings until the function it gives back is called. */
export function ring() {
  const audio = audioContext();
  const output = audio.createGain();
  output.connect(audio.destination);
  const play = () => {
    for (const [hertz, at] of [[587, 0], [784, 0.22], [587, 0.44], [784, 0.66]]) {
      tone(output, hertz, audio.currentTime + at, 0.2);
    }
  };
  play();
  const timer = setInterval(play, 2600);
  return () => {
    clearInterval(timer);
    output.disconnect();
  };
}

/** The tone of the headset test, to a speaker of choice. */
export async function testTone(speaker) {
  const audio = audioContext();
  const output = audio.createMediaStreamDestination();
  const element = new Audio();
  element.srcObject = output.stream;
  if (speaker && element.setSinkId) await element.setSinkId(speaker).catch(() => {});
  await element.play();
  for (const [i, hertz] of [523, 659, 784, 1047].entries()) {
    tone(output, hertz, audio.currentTime + i * 0.28, 0.26, 0.25);
  }
  await new Promise((done) => setTimeout(done, 1400));
  element.pause();
}

/** Loudness of a stream, 0 to 1, whenever asked. */
export function levelOf(stream) {
  const audio = audioContext();
  const source = audio.createMediaStreamSource(stream);
  const meter = audio.createAnalyser();
  meter.fftSize = 1024;
  source.connect(meter);
  const samples = new Float32Array(meter.fftSize);
  return {
    read() {
      meter.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
      return Math.min(1, Math.sqrt(power) * 4);
    },
    close() {
      source.disconnect();
    },
  };
}
