"""Write sessions.txt, 2,000 sessions of an invented shop, and today.txt, 300 more, of which four do not belong."""

import random

NEXT = {
    "": ["home", "home", "home", "search", "mail-link"],
    "home": ["search", "search", "offers", "login", "leave"],
    "mail-link": ["offers", "offers", "product"],
    "search": ["product", "product", "product", "search", "leave"],
    "offers": ["product", "product", "home"],
    "product": ["add-to-cart", "search", "product", "reviews", "leave"],
    "reviews": ["product", "add-to-cart", "add-to-cart", "leave"],
    "add-to-cart": ["cart", "cart", "search"],
    "cart": ["login", "remove", "search", "leave"],
    "remove": ["cart", "leave"],
    "login": ["address", "address", "home", "leave"],
    "address": ["pay", "pay", "cart"],
    "pay": ["confirmed", "confirmed", "confirmed", "pay-failed"],
    "pay-failed": ["pay", "cart", "leave"],
    "confirmed": ["leave", "leave", "home"],
}


def session(draw):
    events = []
    while (event := draw.choice(NEXT[events[-1] if events else ""])) != "leave":
        events.append(event)
    return " ".join(events) or session(draw)


draw = random.Random(1)
good, today = ([session(draw) for _ in range(count)] for count in (2000, 300))
today[40] = "home login address confirmed"
today[110] = "pay-failed pay pay-failed pay pay-failed pay pay-failed pay pay-failed pay confirmed"
today[180] = "home search product export-users"
today[250] = "cart cart cart cart cart cart cart login"
for name, lines in (("sessions.txt", good), ("today.txt", today)):
    with open(name, "w") as file:
        file.write("\n".join(lines) + "\n")
