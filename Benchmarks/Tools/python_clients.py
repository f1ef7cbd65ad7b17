"""Request and answer by Python's clients: what loop-benchmark's `requests` does, as their users would.

    python_clients.py aioimaplib|imaplib PORT CONNECTIONS SECONDS

Prints requests, nanoseconds, and nanoseconds of the processor. Both wait for the answer to a command before they send the next one on
the same connection: neither can do otherwise with one kind of command.
"""

import sys
import threading
import time


def measure_aioimaplib(port, connections, seconds):
    import asyncio

    import aioimaplib
    import uvloop

    async def run():
        done = 0
        ending = False

        async def client():
            nonlocal done
            imap = aioimaplib.IMAP4("127.0.0.1", port)
            await imap.wait_hello_from_server()
            await imap.login("joe", "secret")
            await imap.select("INBOX")
            ready.append(None)
            while not ending:
                answer = await imap.uid("fetch", "1", "(FLAGS)")
                assert answer.result == "OK", answer
                done += 1

        ready = []
        tasks = [asyncio.create_task(client()) for _ in range(connections)]
        while len(ready) < connections:
            await asyncio.sleep(0.02)
            for task in tasks:
                if task.done():
                    task.result()
        before, start, cpu = done, time.monotonic_ns(), time.process_time_ns()
        await asyncio.sleep(seconds)
        result = done - before, time.monotonic_ns() - start, time.process_time_ns() - cpu
        ending = True
        await asyncio.gather(*tasks)
        return result

    return uvloop.run(run())


def measure_imaplib(port, connections, seconds):
    import imaplib

    counts = [0] * connections
    ready = threading.Semaphore(0)
    ending = threading.Event()

    def client(index):
        imap = imaplib.IMAP4("127.0.0.1", port)
        imap.login("joe", "secret")
        imap.select("INBOX")
        ready.release()
        while not ending.is_set():
            status, _ = imap.uid("FETCH", "1", "(FLAGS)")
            assert status == "OK", status
            counts[index] += 1
        imap.shutdown()

    threads = [threading.Thread(target=client, args=(index,)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    before, start, cpu = sum(counts), time.monotonic_ns(), time.process_time_ns()
    time.sleep(seconds)
    result = sum(counts) - before, time.monotonic_ns() - start, time.process_time_ns() - cpu
    ending.set()
    for thread in threads:
        thread.join()
    return result


if __name__ == "__main__":
    name, port, connections, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    run = {"aioimaplib": measure_aioimaplib, "imaplib": measure_imaplib}[name]
    print(*run(port, connections, seconds), sep="\t")
