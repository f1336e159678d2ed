"""The loop that `benchmarks.offline` compares with: `python -m benchmarks.bare_loop FOLDER GRAPH PROCESSES BATCH`."""

import multiprocessing
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


def answered(files: list[Path], graph: str, batch: int) -> list[int]:
    """Return the class of each of these small grey pictures."""
    interpreter = Interpreter(model_path=graph, num_threads=1)
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    classes: list[int] = []
    size = 0
    for start in range(0, len(files), batch):
        pixels = np.stack([np.asarray(Image.open(file)) for file in files[start : start + batch]])
        if len(pixels) != size:
            size = len(pixels)
            interpreter.resize_tensor_input(taken, (size, *pixels.shape[1:], 1))
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken, pixels[..., np.newaxis].astype(np.float32) / 255)
        interpreter.invoke()
        classes += interpreter.get_tensor(given).argmax(axis=1).tolist()
    return classes


def main(folder: str, graph: str, processes: str, batch: str) -> None:
    """Answer every file of a folder of folders in so many processes."""
    files = sorted(Path(folder).glob("*/*.png"))
    count = int(processes)
    shares = [(files[number::count], graph, int(batch)) for number in range(count)]
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        print(sum(map(len, pool.starmap(answered, shares))))


if __name__ == "__main__":
    main(*sys.argv[1:])
