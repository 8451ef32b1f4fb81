"""`python -m benchmarks`: every benchmark, one after the other."""

from benchmarks import fall_through, forwarding, routing


def main() -> None:
    """Run them all with their default settings."""
    for module in (routing, fall_through, forwarding):
        title = (module.__doc__ or "").splitlines()[0]
        print(f"\n## {title}\n", flush=True)
        module.main()


if __name__ == "__main__":
    main()
