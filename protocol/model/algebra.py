"""What follows from values of secret polynomials: exact, by linear algebra over a large prime field."""

PRIME = (1 << 61) - 1


class Known:
    """Linear forms whose value somebody knows, in echelon form. A form is a dict: unknown -> coefficient."""

    def __init__(self):
        self._rows = {}  # leading unknown -> row with coefficient 1 there

    def _reduced(self, form):
        form = {unknown: c % PRIME for unknown, c in form.items() if c % PRIME}
        while True:
            pivot = next((unknown for unknown in form if unknown in self._rows), None)
            if pivot is None:
                return form
            factor = form[pivot]
            for unknown, c in self._rows[pivot].items():
                rest = (form.get(unknown, 0) - factor * c) % PRIME
                if rest:
                    form[unknown] = rest
                else:
                    form.pop(unknown, None)

    def learn(self, form):
        form = self._reduced(form)
        if not form:
            return
        pivot = min(form)
        inverse = pow(form[pivot], -1, PRIME)
        row = {unknown: c * inverse % PRIME for unknown, c in form.items()}
        for lead, other in self._rows.items():  # so that no row holds another's leading unknown
            factor = other.get(pivot)
            if factor:
                for unknown, c in row.items():
                    rest = (other.get(unknown, 0) - factor * c) % PRIME
                    if rest:
                        other[unknown] = rest
                    else:
                        other.pop(unknown, None)
        self._rows[pivot] = row

    def follows(self, form):
        return not self._reduced(form)


def value_of(constant, coefficients, index):
    """The form of f(index) for f(x) = constant + Σ coefficients[k]·x^(k+1)."""
    form = dict(constant)
    for k, unknown in enumerate(coefficients, 1):
        form[unknown] = (form.get(unknown, 0) + pow(index, k, PRIME)) % PRIME
    return form
