# Ours, listed under `unmanaged:`: training needs a system library that the generated image does not have.
FROM python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

RUN apt-get update \
 && apt-get install --no-install-recommends --yes libsndfile1=1.2.0-1+deb12u1 \
 && rm -rf /var/lib/apt/lists/*

COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt \
 && useradd --uid 10001 --no-create-home app

COPY . /app
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["mlops-runtime"]
CMD ["train"]
