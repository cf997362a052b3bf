/* replay.c - run a fuzz target over every file of a folder, so that the corpus is a test even where
 * libFuzzer is not at hand. Usage: fuzz_NAME FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t size, capacity = 1 << 20;
	uint8_t *data;

	if (!file)
		return -1;
	data = malloc(capacity);
	if (!data) {
		(void)fclose(file);
		return -1;
	}
	size = fread(data, 1, capacity, file);
	(void)fclose(file);
	/* An exact-size block lets AddressSanitizer see a read one byte too far. */
	data = realloc(data, size ? size : 1);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		struct dirent *entry;

		if (!folder) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(folder))) {
			char path[4096];

			if (entry->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			if (replay_file(path) < 0) {
				perror(path);
				return 1;
			}
			count++;
		}
		(void)closedir(folder);
	}
	printf("replayed %d inputs\n", count);
	return count > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
