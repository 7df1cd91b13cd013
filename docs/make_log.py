"""Write good.log, 3,000 lines of an invented shop, and today.log, 300 more with five that do not belong."""

import random


def line(draw):
    user = draw.choice(["alice", "bob", "carol", "dave", "erin"])
    page = draw.choice(["/", "/login", "/cart", "/search", "/orders"])
    address = f"10.0.{draw.randrange(4)}.{draw.randrange(1, 255)}"
    return draw.choice(
        [
            f'INFO web: {address} "GET {page}" 200 in {draw.randrange(1, 400)} ms',
            f"INFO auth: user {user} logged in from {address}",
            f"WARN auth: wrong password for {user} from {address}",
            f"INFO db: query took {draw.randrange(1, 80)} ms, {draw.randrange(500)} rows",
            f"INFO queue: mail sent to {user}, {draw.randrange(20)} waiting",
        ]
    )


draw = random.Random(1)
good, today = ([line(draw) for _ in range(count)] for count in (3000, 300))
today[40] = 'INFO web: 10.0.2.17 "GET /admin.php" 200 in 12 ms'
today[90] = "INFO auth: user root logged in from 10.0.1.9"
today[150] = "INFO db: query took 48211 ms, 3 rows"
today[200] = "WARN auth: wrong password for alice from 203.0.113.77"
today[260] = "INFO queue: mail sent to"
for name, lines in (("good.log", good), ("today.log", today)):
    with open(name, "w") as file:
        file.write("\n".join(lines) + "\n")
