import { IsOptional, IsString, MaxLength } from 'class-validator';

/** Where a page of a list starts. */
export class AfterDto {
  @IsOptional()
  @IsString()
  @MaxLength(500)
  readonly after?: string;
}
