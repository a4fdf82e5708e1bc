"""Faults between daemons and brokers, plaintext and TLS."""

import time


def _proxies(world):
    """Choose one broker's proxies or all, of plaintext, TLS or both."""
    plain, tls = world.cluster.proxies, world.cluster.tls_proxies
    groups = world.dice.choice(((plain,), (tls,), (plain, tls)))
    index = world.dice.choice((None, world.dice.randrange(len(world.cluster.nodes))))
    chosen = [proxy for group in groups for proxy in (group if index is None else [group[index]])]
    what = "both" if len(groups) == 2 else "plaintext" if groups[0] is plain else "TLS"
    return chosen, f"{what}, {'all brokers' if index is None else f'broker {index + 1}'}"


def cut(world):
    """Reset connections, several times."""
    chosen, what = _proxies(world)
    times = world.dice.randint(1, 4)
    for _ in range(times):
        for proxy in chosen:
            proxy.cut()
        time.sleep(0.5)
    return f"{what}, {times} times"


def refuse(world):
    """Reset connections, and every new one for some seconds."""
    return _in_mode(world, "refuse", cut_first=True)


def hole(world):
    """Forward nothing, as a firewall that drops packets."""
    return _in_mode(world, "hole", cut_first=world.dice.random() < 0.5)


def _in_mode(world, mode, *, cut_first):
    chosen, what = _proxies(world)
    seconds = world.dice.uniform(2, 12)
    for proxy in chosen:
        proxy.mode = mode
        if cut_first:
            proxy.cut()
    time.sleep(seconds)
    for proxy in chosen:
        proxy.mode = "pass"
    return f"{what}, {seconds:.1f} s{', after a cut' if cut_first else ''}"


def tarpit(world):
    """Delay every piece of every connection."""
    chosen, what = _proxies(world)
    delay, seconds = world.dice.uniform(0.05, 0.4), world.dice.uniform(3, 10)
    for proxy in chosen:
        proxy.delay_s = delay
    time.sleep(seconds)
    for proxy in chosen:
        proxy.delay_s = 0.0
    return f"{what}, {delay:.2f} s a piece for {seconds:.1f} s"


def flip(world):
    """Change a byte of one fetched batch on its way: the record's checksum no longer fits."""
    before = sum(proxy.replaced for proxy in world.cluster.proxies)
    for proxy in world.cluster.proxies:
        proxy.replace = (b"model", b"nodel", proxy.replaced + 1)
    deadline = time.monotonic() + 15
    while sum(proxy.replaced for proxy in world.cluster.proxies) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    for proxy in world.cluster.proxies:
        proxy.replace = None
    return f"{sum(proxy.replaced for proxy in world.cluster.proxies) - before} batches"
