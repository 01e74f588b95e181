/* corpus.c -- run a fuzz target once over each file of its kept corpus. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { INPUT_BYTES_MAX = 64 * 1024 };

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run(const char *folder, const char *name)
{
	static uint8_t input[INPUT_BYTES_MAX];
	char path[4096];
	int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = length > 0 && length < (int)sizeof(path) ? fopen(path, "rb") : NULL;

	if (file == NULL)
		return 1;
	size_t count = fread(input, 1, sizeof(input), file);
	fclose(file);
	/* exactly as large as the input, so that a sanitizer sees one byte beyond */
	uint8_t *bytes = malloc(count);
	if (bytes == NULL && count > 0)
		return 1;
	if (count > 0)
		memcpy(bytes, input, count);
	printf("%s: %zu bytes\n", name, count);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, count);
	free(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entry = NULL;
	int count = argc == 2 ? scandir(argv[1], &entry, is_input, alphasort) : -1;
	int failed = 0;

	for (int i = 0; i < count; i++) {
		failed += run(argv[1], entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	if (count <= 0 || failed > 0) {
		fprintf(stderr, "usage: NAME_corpus FOLDER; it must hold readable files\n");
		return 1;
	}
	return 0;
}
