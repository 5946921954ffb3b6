"""Ask a dependency the smallest question it can answer."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from marketsentry.adapters.postgres.database import Database
from marketsentry.exceptions import DependencyError


async def ping_postgres(database: Database) -> None:
    """Run one statement; raises `DependencyError` when PostgreSQL does not answer it."""
    async with database.connection() as connection:
        await connection.execute("SELECT 1")


async def ping_redis(redis: Redis) -> None:
    """Send one PING; raises `DependencyError` when Redis does not answer it."""
    try:
        await redis.ping()
    except (RedisError, OSError) as error:
        raise DependencyError(f"Redis failed: {error}") from error
