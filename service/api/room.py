"""Owns how much one request may hold, asked before anything is made of each part of it."""

from dataclasses import dataclass

from service.errors import TooLargeError


@dataclass(frozen=True, slots=True)
class Room:
    """How many examples, and encoded images among them, one request may hold."""

    examples: int
    images: int

    def check_examples(self, count: int) -> None:
        """Raise TooLargeError where there are more examples."""
        if count > self.examples:
            raise TooLargeError(f"{count:,} examples in one request; at most {self.examples:,} are taken. Send fewer.")

    def check_images(self, count: int) -> None:
        """Raise TooLargeError where there are more encoded images."""
        if count > self.images:
            raise TooLargeError(
                f"{count:,} images in one request; at most {self.images:,} are taken (an .npy may hold more)."
            )
