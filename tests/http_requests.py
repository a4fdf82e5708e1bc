"""One HTTP request of a test."""


def asked(connection, method, path, headers):
    """Status, headers, body of one request on a connection, which is closed after it."""
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
