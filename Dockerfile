# A server for one model, without PyTorch. Clients need the key in AFTERWORD_API_KEY. docs/serving.md shows how to start it.
FROM python:3.13-slim
COPY pyproject.toml hatch_build.py README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir '/src[serve,patterns]' && rm -r /src
RUN useradd --create-home writer
USER writer
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health')"]
ENTRYPOINT ["afterword", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/model"]
